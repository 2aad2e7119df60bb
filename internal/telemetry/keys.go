package telemetry

// Key is an attribute name, as an index into the one table of names.
type Key uint16

// The attributes that Spanway emits. Names: OpenTelemetry semantic conventions 1.41 (GenAI, HTTP, URL, server, network,
// error), the GenAI repository after them (GenAIUsageCacheWrite), OpenInference (openinference, llm, embedding, input and
// output), and Spanway's own under spanway.
const (
	ErrorType Key = iota
	GenAIOperationName
	GenAIProviderName
	GenAIRequestModel
	GenAIRequestTemperature
	GenAIRequestTopP
	GenAIRequestTopK
	GenAIRequestMaxTokens
	GenAIRequestFrequencyPenalty
	GenAIRequestPresencePenalty
	GenAIRequestSeed
	GenAIRequestStopSequences
	GenAIRequestChoiceCount
	GenAIRequestStream
	GenAIRequestReasoningLevel
	GenAIRequestPreviousResponseID
	GenAIRequestEncodingFormats
	GenAIOutputType
	GenAIConversationID
	GenAIResponseID
	GenAIResponseModel
	GenAIResponseFinishReasons
	GenAIResponseTimeToFirstChunk
	GenAIUsageInputTokens
	GenAIUsageOutputTokens
	GenAIUsageCacheRead
	GenAIUsageCacheCreation
	GenAIUsageReasoning
	GenAIEmbeddingsDimensionCount
	GenAIInputMessages
	GenAIOutputMessages
	GenAISystemInstructions
	GenAIToolDefinitions
	OpenAIAPIType
	OpenAIRequestServiceTier
	OpenAIResponseServiceTier
	OpenAIResponseSystemFingerprint
	AzureResourceProviderNamespace
	ServerAddress
	ServerPort
	ClientAddress
	ClientPort
	HTTPRequestMethod
	HTTPRequestMethodOriginal
	HTTPRequestResendCount
	HTTPResponseStatusCode
	HTTPRoute
	NetworkProtocolVersion
	URLFull
	URLPath
	URLQuery
	URLScheme
	UserAgentOriginal
	SpanwayRoute
	SpanwayBackend
	SpanwayProvider
	SpanwayAttempt
	SpanwayAttempts
	SpanwayOutcome
	SpanwayRetryReason
	SpanwayRequestRead
	SpanwayGatewayOverhead
	SpanwayStreamChunks
	SpanwayRequestModelAlias
	SpanwayTruncated
	SpanwayTranslationDropped
	SpanwayGuardrailName
	SpanwayGuardrailKind
	SpanwayGuardrailPhase
	SpanwayGuardrailAction
	SpanwayGuardrailResult
	SpanwayGuardrailRule
	AIRegexAction
	AIRegexResult
	AIWebhookEndpoint
	AIWebhookResult
	AIWebhookRejectReason
	AIModerationModel
	AIModerationFlagged
	SpanwayBackoff
	GenAIUsageCacheWrite
	OpenInferenceSpanKind
	LLMModelName
	LLMProvider
	LLMSystem
	LLMInvocationParameters
	LLMTokenCountPrompt
	LLMTokenCountCompletion
	LLMTokenCountTotal
	LLMTokenCountCacheRead
	LLMTokenCountCacheWrite
	LLMTokenCountReasoning
	EmbeddingModelName
	EmbeddingInvocationParameters
	InputValue
	InputMIMEType
	OutputValue
	OutputMIMEType
	SpanwaySamplingReason
	SpanwayCostUSD
	SpanwayCostInputUSD
	SpanwayCostOutputUSD
	SpanwayCostCacheUSD
	numKeys
)

// names is the one table of attribute names, by Key.
var names = [numKeys]string{
	ErrorType:                       "error.type",
	GenAIOperationName:              "gen_ai.operation.name",
	GenAIProviderName:               "gen_ai.provider.name",
	GenAIRequestModel:               "gen_ai.request.model",
	GenAIRequestTemperature:         "gen_ai.request.temperature",
	GenAIRequestTopP:                "gen_ai.request.top_p",
	GenAIRequestTopK:                "gen_ai.request.top_k",
	GenAIRequestMaxTokens:           "gen_ai.request.max_tokens",
	GenAIRequestFrequencyPenalty:    "gen_ai.request.frequency_penalty",
	GenAIRequestPresencePenalty:     "gen_ai.request.presence_penalty",
	GenAIRequestSeed:                "gen_ai.request.seed",
	GenAIRequestStopSequences:       "gen_ai.request.stop_sequences",
	GenAIRequestChoiceCount:         "gen_ai.request.choice.count",
	GenAIRequestStream:              "gen_ai.request.stream",
	GenAIRequestReasoningLevel:      "gen_ai.request.reasoning.level",
	GenAIRequestPreviousResponseID:  "gen_ai.request.previous_response.id",
	GenAIRequestEncodingFormats:     "gen_ai.request.encoding_formats",
	GenAIOutputType:                 "gen_ai.output.type",
	GenAIConversationID:             "gen_ai.conversation.id",
	GenAIResponseID:                 "gen_ai.response.id",
	GenAIResponseModel:              "gen_ai.response.model",
	GenAIResponseFinishReasons:      "gen_ai.response.finish_reasons",
	GenAIResponseTimeToFirstChunk:   "gen_ai.response.time_to_first_chunk",
	GenAIUsageInputTokens:           "gen_ai.usage.input_tokens",
	GenAIUsageOutputTokens:          "gen_ai.usage.output_tokens",
	GenAIUsageCacheRead:             "gen_ai.usage.cache_read.input_tokens",
	GenAIUsageCacheCreation:         "gen_ai.usage.cache_creation.input_tokens",
	GenAIUsageReasoning:             "gen_ai.usage.reasoning.output_tokens",
	GenAIEmbeddingsDimensionCount:   "gen_ai.embeddings.dimension.count",
	GenAIInputMessages:              "gen_ai.input.messages",
	GenAIOutputMessages:             "gen_ai.output.messages",
	GenAISystemInstructions:         "gen_ai.system_instructions",
	GenAIToolDefinitions:            "gen_ai.tool.definitions",
	OpenAIAPIType:                   "openai.api.type",
	OpenAIRequestServiceTier:        "openai.request.service_tier",
	OpenAIResponseServiceTier:       "openai.response.service_tier",
	OpenAIResponseSystemFingerprint: "openai.response.system_fingerprint",
	AzureResourceProviderNamespace:  "azure.resource_provider.namespace",
	ServerAddress:                   "server.address",
	ServerPort:                      "server.port",
	ClientAddress:                   "client.address",
	ClientPort:                      "client.port",
	HTTPRequestMethod:               "http.request.method",
	HTTPRequestMethodOriginal:       "http.request.method_original",
	HTTPRequestResendCount:          "http.request.resend_count",
	HTTPResponseStatusCode:          "http.response.status_code",
	HTTPRoute:                       "http.route",
	NetworkProtocolVersion:          "network.protocol.version",
	URLFull:                         "url.full",
	URLPath:                         "url.path",
	URLQuery:                        "url.query",
	URLScheme:                       "url.scheme",
	UserAgentOriginal:               "user_agent.original",
	SpanwayRoute:                    "spanway.route",
	SpanwayBackend:                  "spanway.backend",
	SpanwayProvider:                 "spanway.provider",
	SpanwayAttempt:                  "spanway.attempt",
	SpanwayAttempts:                 "spanway.attempts",
	SpanwayOutcome:                  "spanway.outcome",
	SpanwayRetryReason:              "spanway.retry.reason",
	SpanwayRequestRead:              "spanway.request.read",
	SpanwayGatewayOverhead:          "spanway.gateway.overhead",
	SpanwayStreamChunks:             "spanway.stream.chunks",
	SpanwayRequestModelAlias:        "spanway.request.model_alias",
	SpanwayTruncated:                "spanway.truncated",
	SpanwayTranslationDropped:       "spanway.translation.dropped",
	SpanwayGuardrailName:            "spanway.guardrail.name",
	SpanwayGuardrailKind:            "spanway.guardrail.kind",
	SpanwayGuardrailPhase:           "spanway.guardrail.phase",
	SpanwayGuardrailAction:          "spanway.guardrail.action",
	SpanwayGuardrailResult:          "spanway.guardrail.result",
	SpanwayGuardrailRule:            "spanway.guardrail.rule",
	AIRegexAction:                   "ai.regex.action",
	AIRegexResult:                   "ai.regex.result",
	AIWebhookEndpoint:               "ai.webhook.endpoint",
	AIWebhookResult:                 "ai.webhook.result",
	AIWebhookRejectReason:           "ai.webhook.reject_reason",
	AIModerationModel:               "ai.moderation.model",
	AIModerationFlagged:             "ai.moderation.flagged",
	SpanwayBackoff:                  "spanway.retry.backoff",
	GenAIUsageCacheWrite:            "gen_ai.usage.cache_write.input_tokens",
	OpenInferenceSpanKind:           "openinference.span.kind",
	LLMModelName:                    "llm.model_name",
	LLMProvider:                     "llm.provider",
	LLMSystem:                       "llm.system",
	LLMInvocationParameters:         "llm.invocation_parameters",
	LLMTokenCountPrompt:             "llm.token_count.prompt",
	LLMTokenCountCompletion:         "llm.token_count.completion",
	LLMTokenCountTotal:              "llm.token_count.total",
	LLMTokenCountCacheRead:          "llm.token_count.prompt_details.cache_read",
	LLMTokenCountCacheWrite:         "llm.token_count.prompt_details.cache_write",
	LLMTokenCountReasoning:          "llm.token_count.completion_details.reasoning",
	EmbeddingModelName:              "embedding.model_name",
	EmbeddingInvocationParameters:   "embedding.invocation_parameters",
	InputValue:                      "input.value",
	InputMIMEType:                   "input.mime_type",
	OutputValue:                     "output.value",
	OutputMIMEType:                  "output.mime_type",
	SpanwaySamplingReason:           "spanway.sampling.reason",
	SpanwayCostUSD:                  "spanway.cost.usd",
	SpanwayCostInputUSD:             "spanway.cost.input_usd",
	SpanwayCostOutputUSD:            "spanway.cost.output_usd",
	SpanwayCostCacheUSD:             "spanway.cost.cache_usd",
}

// String is the attribute's name.
func (k Key) String() string { return names[k] }

// isJSON reports whether the attribute's text is JSON, which must not be cut just anywhere.
func (k Key) isJSON() bool {
	switch k {
	case GenAIInputMessages, GenAIOutputMessages, GenAISystemInstructions, GenAIToolDefinitions,
		LLMInvocationParameters, EmbeddingInvocationParameters, InputValue, OutputValue:
		return true
	}
	return false
}
