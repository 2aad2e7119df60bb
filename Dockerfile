# The one program, for every part of Spanway: controller, processor, native gateway. Static, without a shell, not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /spanway ./cmd/spanway

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /spanway /spanway
USER 10101:10101
ENTRYPOINT ["/spanway"]
CMD ["--help"]
