RUN set -eux; \
	apk add --no-cache libstdc++
