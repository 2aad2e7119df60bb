package xds

// Names that Envoy's configuration and the processor (internal/extproc) agree on.
const (
	// RouteHeader is set by R to the name of the route that the pipeline chose; the route cache is cleared with it.
	RouteHeader = "x-spanway-route"
	// SpanHeader is set by Envoy, when it traces, to the ids of its SERVER span: trace id, "-", span id, in hex.
	SpanHeader = "x-spanway-span"
	// RequestIDHeader is the client's own x-request-id. A request id in its own place is Envoy's, which it has when it traces.
	RequestIDHeader = "x-spanway-request-id"
	// RetryHeader is set by U to "1" on a response in whose place another attempt is to be made.
	RetryHeader = "x-spanway-retry"
	// WaitHeader is set by U beside RetryHeader to the whole seconds that the provider asks to wait.
	WaitHeader = "x-spanway-wait"
	// ProtocolHeader is set by Envoy on each attempt's response to the protocol it came by: HTTP/1.0, HTTP/1.1 or HTTP/2.
	ProtocolHeader = "x-spanway-protocol"
)

// Keys of the gRPC metadata with which Envoy opens the processor's streams.
const (
	RoleKey       = "x-spanway-role"       // R or U
	ConnectionKey = "x-spanway-connection" // Envoy's number of the client's connection
	ListenerKey   = "x-spanway-listener"   // R: the name of the listener that the call came by, escaped as in a query
	CallKey       = "x-spanway-call"       // U: the call's id, as R set it in the metadata spanway.call
	ClusterKey    = "x-spanway-cluster"    // U: the cluster's name
	HostKey       = "x-spanway-host"       // U: address of the provider's host
	AttemptKey    = "x-spanway-attempt"    // U: the attempt's number, from 1
)

// Roles of the processor's streams.
const (
	RoleR = "R" // of the call: a filter of the listener
	RoleU = "U" // of an attempt: a filter of its cluster
)

// RoleField is the field of an Envoy's node metadata that holds Boot.Role.
const RoleField = "role"

// Namespaces of dynamic metadata that the processor sets.
const (
	Namespace = "spanway"      // call (R): the call's id; content_length (U): of the attempt's body, a string
	Plan      = "spanway.plan" // priority_groups (R): one group per attempt, as PriorityGroupsOverride has them
)

// Role is what the node metadata of a Gateway's Envoys says as role, by which a controller knows whose they are. It is kgateway's.
func Role(namespace, name string) string {
	return "kgateway-kube-gateway-api~" + namespace + "~" + name
}

// Logs of Envoy's gRPC access log service.
const (
	CallLog    = "spanway.call"    // one entry per call that has response flags
	AttemptLog = "spanway.attempt" // one entry per attempt that has response flags
)

// ConnectionTag is the custom tag of AttemptLog's entries that holds what ConnectionKey does: they have no metadata of the call.
const ConnectionTag = "connection"

// ReplyDetails begins the details of the processor's immediate responses. Envoy's own replies get the gateway's error
// shape, those keep their body.
const ReplyDetails = "spanway"

// Names of resources.
const (
	processorCluster = "spanway.processor"
	noneCluster      = "spanway.none" // no host: where a call goes that has no plan
	controlCluster   = "spanway.control"
	adminCluster     = "spanway.admin" // Envoy's own administration interface
	readyListener    = "spanway.ready"
	statsListener    = "spanway.stats"
	collectorCluster = "spanway.collector"
)
