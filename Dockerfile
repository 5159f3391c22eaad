# docker build -t reverie .                        on a CPU
# docker build -t reverie --build-arg TORCH=cu130 .  with CUDA; run it with --gpus all
FROM python:3.11-slim
ARG TORCH=cpu
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /reverie
COPY . .
RUN pip config set global.extra-index-url https://download.pytorch.org/whl/${TORCH} && make demo && rm -rf demo
ENV PATH=/reverie/.venv/bin:$PATH
WORKDIR /pictures
ENTRYPOINT ["reverie"]
CMD ["--help"]
