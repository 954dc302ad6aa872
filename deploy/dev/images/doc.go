// Package images holds the recipes by which deploy/dev/images.sh builds engine images from Debian packages, where no registry
// answers: one folder for each engine. There is no Go here but the test that an image, ours or the official one, keeps the
// contract that MyDB's recipes rely on.
package images
