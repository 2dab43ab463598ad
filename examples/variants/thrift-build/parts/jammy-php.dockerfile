# PHP via Ondřej Surý PPA (jammy default is 8.1 which is below our 8.2 floor)
RUN add-apt-repository -y ppa:ondrej/php && \
  apt-get update -yq

RUN apt-get install -y --no-install-recommends \
  `# Php dependencies` \
  php8.2 \
  php8.2-cli \
  php8.2-dev \
  php8.2-xml \
  php8.2-curl \
  php8.2-xdebug \
  php-pear \
  re2c \
  composer
