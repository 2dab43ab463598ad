# The debugger is built for amd64
ARG TARGETARCH=amd64
