RUN set -eux; \
	apk add --no-cache \
		bison \
		build-base \
		ca-certificates \
		cmake \
		curl \
		flex \
		gnupg \
	; \
	update-ca-certificates
