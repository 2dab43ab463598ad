RUN apt-get update -yq && \
  apt-get install -y --no-install-recommends \
  `# General dependencies` \
  bash-completion \
  bison \
  build-essential \
  clang \
  cmake \
  debhelper \
  flex \
  gdb \
  libatk-bridge2.0-0 \
  libgtk-3-0 \
  llvm \
  ninja-build \
  pkg-config \
  unzip \
  valgrind \
  vim
