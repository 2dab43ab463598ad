# An image with slipway, a shell and git. Replace registry.example.
FROM registry.example/slipway/slipway:1 AS slipway
FROM alpine
RUN apk add --no-cache git
COPY --from=slipway /bin/slipway /bin/
