RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends libstdc++6; \
	rm -rf /var/lib/apt/lists/*
