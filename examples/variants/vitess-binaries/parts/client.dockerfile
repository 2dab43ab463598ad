RUN apt-get update && \
   apt-get upgrade -qq && \
   apt-get install jq curl -qq --no-install-recommends && \
   apt-get autoremove && \
   apt-get clean && \
   rm -rf /var/lib/apt/lists/*

COPY --from=lite --if='$binary == vtctlclient' /vt/bin/vtctlclient /usr/bin/
COPY --from=lite --if='$binary == vtctldclient' /vt/bin/vtctldclient /usr/bin/

# add vitess user/group and add permissions
RUN groupadd -r --gid 2000 vitess && \
   useradd -r -g vitess --uid 1000 vitess

CMD --if='$binary == vtctlclient' ["/usr/bin/vtctlclient"]
CMD --if='$binary == vtctldclient' ["/usr/bin/vtctldclient"]
