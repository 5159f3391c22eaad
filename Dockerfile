# docker build -t reverie .                          for a CPU
# docker build -t reverie --build-arg TORCH=cu130 .  for CUDA; run it with --gpus all
# docker run --rm -u $(id -u):$(id -g) -v "$PWD:/pictures" reverie dream cat.jpg
FROM python:3.11-slim
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/${TORCH}
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /reverie
COPY . .
RUN make demo && rm -rf demo
# networks that are fetched, and styles that are trained, are kept here; whoever runs it may write
ENV PATH=/reverie/.venv/bin:$PATH REVERIE_HOME=/var/lib/reverie
RUN mkdir -m 1777 "$REVERIE_HOME"
WORKDIR /pictures
ENTRYPOINT ["reverie"]
CMD ["--help"]
