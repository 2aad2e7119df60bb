// Package telemetry records calls as OpenTelemetry GenAI traces and metrics, and exports them.
package telemetry
