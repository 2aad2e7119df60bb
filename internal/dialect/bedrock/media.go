package bedrock

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// format is a format of the API and its media types. The first row of a format is the one that it is read as.
type format struct {
	kind, name, mime string
}

// The kinds of media, by the members that hold them.
const (
	kindImage    = "image"
	kindDocument = "document"
	kindVideo    = "video"
	kindAudio    = "audio"
)

// formats are those of ImageBlock, DocumentBlock, VideoBlock and AudioBlock (API reference), with the media types that IANA has
// for them, or that are in use.
var formats = []format{
	{kindImage, "png", "image/png"}, {kindImage, "jpeg", "image/jpeg"}, {kindImage, "jpeg", "image/jpg"},
	{kindImage, "gif", "image/gif"}, {kindImage, "webp", "image/webp"},
	{kindDocument, "pdf", "application/pdf"}, {kindDocument, "csv", "text/csv"}, {kindDocument, "doc", "application/msword"},
	{kindDocument, "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{kindDocument, "xls", "application/vnd.ms-excel"},
	{kindDocument, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{kindDocument, "html", "text/html"}, {kindDocument, "txt", "text/plain"}, {kindDocument, "md", "text/markdown"},
	{kindVideo, "mp4", "video/mp4"}, {kindVideo, "mkv", "video/x-matroska"}, {kindVideo, "mkv", "video/matroska"},
	{kindVideo, "mov", "video/quicktime"}, {kindVideo, "webm", "video/webm"}, {kindVideo, "flv", "video/x-flv"},
	{kindVideo, "mpeg", "video/mpeg"}, {kindVideo, "mpg", "video/mpg"}, {kindVideo, "wmv", "video/x-ms-wmv"},
	{kindVideo, "wmv", "video/wmv"}, {kindVideo, "three_gp", "video/3gpp"},
	{kindAudio, "mp3", "audio/mpeg"}, {kindAudio, "mp3", "audio/mp3"}, {kindAudio, "wav", "audio/wav"},
	{kindAudio, "wav", "audio/x-wav"}, {kindAudio, "wav", "audio/wave"}, {kindAudio, "flac", "audio/flac"},
	{kindAudio, "ogg", "audio/ogg"}, {kindAudio, "opus", "audio/opus"}, {kindAudio, "aac", "audio/aac"},
	{kindAudio, "m4a", "audio/m4a"}, {kindAudio, "m4a", "audio/x-m4a"}, {kindAudio, "mp4", "audio/mp4"},
	{kindAudio, "webm", "audio/webm"}, {kindAudio, "mkv", "audio/x-matroska"}, {kindAudio, "mka", "audio/matroska"},
	{kindAudio, "pcm", "audio/pcm"}, {kindAudio, "mpga", "audio/mpga"}, {kindAudio, "x-aac", "audio/x-aac"},
}

// mimeOf is the media type of a format; one that is not known is named after it.
func mimeOf(kind, name string) string {
	if i := slices.IndexFunc(formats, func(f format) bool { return f.kind == kind && f.name == name }); i >= 0 {
		return formats[i].mime
	}
	switch {
	case name == "":
		return map[string]string{kindImage: "image/*", kindDocument: "application/octet-stream"}[kind]
	case kind == kindDocument:
		return "application/" + name
	}
	return kind + "/" + name
}

// formatOf finds the format for a media type; ok is false when the API has none.
func formatOf(mime string) (f format, ok bool) {
	mime, _, _ = strings.Cut(mime, ";")
	mime = strings.ToLower(strings.TrimSpace(mime))
	i := slices.IndexFunc(formats, func(f format) bool { return f.mime == mime })
	if i < 0 {
		return format{}, false
	}
	return formats[i], true
}

// sniff is the media type of data, which is base64, by its first bytes: some dialects name none.
func sniff(data string) string {
	head, err := base64.StdEncoding.DecodeString(data[:min(len(data), 64)&^3])
	if err != nil {
		return ""
	}
	return http.DetectContentType(head)
}
