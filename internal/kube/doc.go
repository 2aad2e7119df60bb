// Package kube is the control plane in a cluster: it watches objects, has internal/translate say what they mean, publishes that to
// the data planes, and writes back what became of each object.
//
// One goroutine rebuilds everything when something has changed. Another, in the replica that leads, deploys data planes and
// writes statuses after it: what is slow because an API server is asked never delays what data planes get.
package kube
