// Package journey tests the whole of Spanway in a Kubernetes cluster as its users meet it: the charts are applied, the controller and
// the data planes that it deploys run as Pods (internal/node), and clients and an OpenTelemetry Collector see what comes of it.
package journey
