package runtimetest

import "testing"

func TestNothing(t *testing.T) {
	Run(t, func(*testing.T) Cluster { return Cluster{Members: []Member{{Runtime: &Nothing{}}}} })
}
