package swarm

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/image"
)

// devImages is the repository of images that were built on the machine because no registry answered.
const devImages = "mydb-dev/"

// Images looks once at what is on the engine. The function it returns names the image that runs here for an official one: the
// image itself, or its stand-in that was built on the machine.
func (r *Runtime) Images(ctx context.Context) (func(image string) (string, bool), error) {
	list, err := r.docker.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, failed("list images", err)
	}
	present := map[string]bool{}
	for _, i := range list {
		for _, tag := range slices.Concat(i.RepoTags, i.RepoDigests) {
			present[tag] = true
		}
	}
	return func(image string) (string, bool) {
		for _, name := range []string{image, devImages + image} {
			if present[name] {
				return name, true
			}
		}
		return "", false
	}, nil
}
