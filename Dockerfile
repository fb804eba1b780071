# medcontour for a whole archive: scans in /input, a classifier in /classifier, results in /output.
#   docker build -t medcontour .
#   docker run --rm -v "$PWD/archive:/input:ro" -v "$PWD/bundle:/classifier:ro" -v "$PWD/results:/output" medcontour
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE}

COPY pyproject.toml README.md LICENSE /src/
COPY medcontour /src/medcontour
COPY deploy/container /src/deploy/container
RUN sh /src/deploy/container/packages && sh /src/deploy/container/install /src /opt/medcontour / && rm -r /src

ENV PATH=/opt/medcontour/bin:$PATH \
    HOME=/tmp USER=medcontour \
    HOLOSCAN_INPUT_PATH=/input \
    HOLOSCAN_OUTPUT_PATH=/output \
    HOLOSCAN_MODEL_PATH=/classifier

LABEL org.opencontainers.image.title="medcontour" \
      org.opencontainers.image.description="From a trained image classifier to editable contours" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      IMAGE="medcontour" \
      VERSION="0.1.0" \
      BUILD_IGNORE="False"

# By number, so that Kubernetes sees that it is not root; any other works as well.
USER 10001:10001
WORKDIR /output
ENTRYPOINT ["/opt/holoscan/app/batch"]
