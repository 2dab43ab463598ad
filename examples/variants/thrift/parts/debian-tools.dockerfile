RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends \
		bison \
		ca-certificates \
		cmake \
		curl \
		flex \
		g++ \
		gnupg \
		make \
	; \
	rm -rf /var/lib/apt/lists/*
