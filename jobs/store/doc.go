// Package store keeps backups in a bucket of any S3 service, or in a folder. Both pass the same conformance suite.
package store
