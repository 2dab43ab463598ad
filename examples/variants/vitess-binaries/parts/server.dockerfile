RUN --if='$binary != mysqlctld' apt-get update && \
   apt-get upgrade -qq && \
   apt-get clean && \
   rm -rf /var/lib/apt/lists/*
RUN --if='$binary == mysqlctld' apt-get update && \
   apt-get upgrade -qq && \
   apt-get install busybox -qq --no-install-recommends && \
   apt-get autoremove && \
   apt-get clean && \
   rm -rf /var/lib/apt/lists/*

# Set up Vitess environment (just enough to run pre-built Go binaries)
ENV VTROOT /vt
ENV --if='$binary in (mysqlctl, mysqlctld, vtbackup, vttablet)' VTDATAROOT /vtdataroot

# Prepare directory structure.
RUN --if='$binary in (mysqlctl, mysqlctld)' mkdir -p /vt/bin && \
   mkdir -p /vt/config && mkdir -p /vtdataroot
RUN --if='$binary == vtctld' mkdir -p /vt/bin && \
   mkdir -p /vt/web && mkdir -p /vtdataroot
RUN --if='!($binary in (mysqlctl, mysqlctld, vtctld))' mkdir -p /vt/bin && mkdir -p /vtdataroot

# Copy certs to allow https calls
INCLUDE --if='$binary in (vtctl, vtgate, vtorc)' certs.dockerfile

# Copy binaries
COPY --from=lite --if='$binary == mysqlctl' /vt/bin/mysqlctl /vt/bin/
COPY --from=lite --if='$binary == mysqlctld' /vt/bin/mysqlctld /vt/bin/
COPY --from=lite --if='$binary == vtbackup' /vt/bin/vtbackup /vt/bin/
COPY --from=lite --if='$binary == vtctl' /vt/bin/vtctl /vt/bin/
COPY --from=lite --if='$binary == vtctld' /vt/bin/vtctld /vt/bin/
COPY --from=lite --if='$binary == vtexplain' /vt/bin/vtexplain /vt/bin/
COPY --from=lite --if='$binary == vtgate' /vt/bin/vtgate /vt/bin/
COPY --from=lite --if='$binary == vtorc' /vt/bin/vtorc /vt/bin/
COPY --from=lite --if='$binary == vttablet' /vt/bin/vttablet /vt/bin/
COPY --from=lite --if='$binary == vttablet' /vt/bin/vtctlclient /vt/bin/

INCLUDE --if='!($binary in (vtctl, vtgate, vtorc, vtexplain))' certs.dockerfile

# Copy the config of Vitess and the files of the web admin
COPY --from=lite --if='$binary in (mysqlctl, mysqlctld, vtbackup)' /vt/config /vt/config
COPY --from=lite --if='$binary == vtctld' /vt/web /vt/web

# add vitess user/group and add permissions
RUN groupadd -r --gid 2000 vitess && \
   useradd -r -g vitess --uid 1000 vitess && \
   chown -R vitess:vitess /vt && \
   chown -R vitess:vitess /vtdataroot
