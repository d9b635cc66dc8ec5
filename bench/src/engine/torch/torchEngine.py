"""PyTorch as a contestant: the protocol of ../serve.ts, the networks as its users write them. `--threads N`."""
import json
import math
import resource
import sys
import time

start = time.perf_counter()
import numpy
import torch
from torch import nn
from torch.nn import functional as F

threads = int(sys.argv[sys.argv.index("--threads") + 1])
torch.set_num_threads(threads)


def read_inputs(path):
    """Weights, data and settings of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    settings = {name: float(value) for name, value in header.pop("__metadata__", {}).items()}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = {"F32": numpy.float32, "I32": numpy.int32}[entry["dtype"]]
        array = numpy.frombuffer(data, dtype, (end - begin) // 4, begin).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.astype(numpy.int64 if dtype == numpy.int32 else dtype))
    weights = {name: value for name, value in tensors.items() if "." in name}
    return weights, {name: value for name, value in tensors.items() if "." not in name}, settings


def linear(weights, path):
    kernel = weights[f"{path}.kernel"]
    bias = weights.get(f"{path}.bias")
    layer = nn.Linear(*kernel.shape, bias=bias is not None)
    layer.weight.data = kernel.T.contiguous()
    if bias is not None:
        layer.bias.data = bias
    return layer


def conv(weights, path, padding):
    kernel = weights[f"{path}.kernel"].permute(3, 2, 0, 1).contiguous()
    layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2:], padding=padding)
    layer.weight.data, layer.bias.data = kernel, weights[f"{path}.bias"]
    return layer


def first_dense(weights, path, side, channels):
    """The layer after flattening: images here are [batch, channel, row, column]."""
    layer = linear(weights, path)
    kernel = layer.weight.data.view(-1, side, side, channels)
    layer.weight.data = kernel.permute(0, 3, 1, 2).reshape(kernel.shape[0], -1).contiguous()
    return layer


def mlp(weights, data, dropout):
    model = nn.Sequential(linear(weights, "dense"), nn.ReLU(), linear(weights, "dense_1"), nn.ReLU(), linear(weights, "dense_2"))
    return model, lambda: F.cross_entropy(model(data["images"]), data["labels"])


def cnn(weights, data, dropout):
    model = nn.Sequential(
        conv(weights, "conv2d", 0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        first_dense(weights, "dense", 13, 32), nn.ReLU(), nn.Dropout(0.5), linear(weights, "dense_1"),
    )
    model.train(dropout)
    images = data["images"].permute(0, 3, 1, 2).contiguous()
    return model, lambda: F.cross_entropy(model(images), data["labels"])


def fedcnn(weights, data, dropout):
    model = nn.Sequential(
        conv(weights, "conv2d", 2), nn.ReLU(), nn.MaxPool2d(2),
        conv(weights, "conv2d_1", 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        first_dense(weights, "dense", 7, 64), nn.ReLU(), linear(weights, "dense_1"),
    )
    images = data["images"].permute(0, 3, 1, 2).contiguous()
    return model, lambda: F.cross_entropy(model(images), data["labels"])


class CharLstm(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(weights["embedding.table"], freeze=False)
        self.lstm = nn.LSTM(8, 256, num_layers=2, batch_first=True)
        for layer, path in enumerate(["lstm", "lstm_1"]):
            getattr(self.lstm, f"weight_ih_l{layer}").data = weights[f"{path}.kernel"].T.contiguous()
            getattr(self.lstm, f"weight_hh_l{layer}").data = weights[f"{path}.recurrent"].T.contiguous()
            getattr(self.lstm, f"bias_ih_l{layer}").data = weights[f"{path}.bias"]
            # Of its two biases one is enough; the other stays zero.
            second = getattr(self.lstm, f"bias_hh_l{layer}")
            second.data.zero_()
            second.requires_grad_(False)
        self.dense = linear(weights, "dense")

    def forward(self, characters):
        return self.dense(self.lstm(self.embedding(characters))[0])


def charlstm(weights, data, dropout):
    model = CharLstm(weights)
    return model, lambda: F.cross_entropy(model(data["characters"]).flatten(0, 1), data["next"].flatten())


def layer_norm(weights, path):
    layer = nn.LayerNorm(weights[f"{path}.gamma"].shape)
    layer.weight.data, layer.bias.data = weights[f"{path}.gamma"], weights[f"{path}.beta"]
    return layer


class Block(nn.Module):
    def __init__(self, weights, path, context):
        super().__init__()
        self.norm1, self.norm2 = layer_norm(weights, f"{path}.ln1"), layer_norm(weights, f"{path}.ln2")
        self.attention, self.projection = linear(weights, f"{path}.attn.qkv"), linear(weights, f"{path}.attn.out")
        self.expand, self.contract = linear(weights, f"{path}.mlp.fc1"), linear(weights, f"{path}.mlp.fc2")
        self.register_buffer("mask", torch.tril(torch.ones(context, context)) == 0)

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = (
            part.view(batch, time, 4, width // 4).transpose(1, 2) for part in self.attention(self.norm1(x)).split(width, 2)
        )
        scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(width // 4))
        mixed = F.softmax(scores.masked_fill(self.mask, -math.inf), -1) @ v
        x = x + self.projection(mixed.transpose(1, 2).reshape(batch, time, width))
        return x + self.contract(F.gelu(self.expand(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.token = nn.Embedding.from_pretrained(weights["embedding.table"], freeze=False)
        self.position = nn.Parameter(weights["positionalEmbedding.table"])
        self.blocks = nn.Sequential(*(Block(weights, f"transformerBlock{i}", self.position.shape[0]) for i in ["", "_1", "_2", "_3"]))
        self.norm, self.head = layer_norm(weights, "layerNorm"), linear(weights, "dense")

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.token(tokens) + self.position)))


def gpt(weights, data, dropout):
    model = Gpt(weights)
    return model, lambda: F.cross_entropy(model(data["tokens"]).flatten(0, 1), data["next"].flatten())


def optimizer_of(name, model, settings):
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate = settings["learningRate"]
    if name == "cnn":
        return torch.optim.Adam(parameters, rate, foreach=True)
    if name == "gpt":
        return torch.optim.AdamW(parameters, rate, weight_decay=settings["weightDecay"], foreach=True)
    return torch.optim.SGD(parameters, rate, foreach=True)


steps = {"mlp": mlp, "cnn": cnn, "fedcnn": fedcnn, "charlstm": charlstm, "gpt": gpt}


def train(name, weights, data, settings, dropout):
    model, loss_of = steps[name](weights, data, dropout)
    optimizer = optimizer_of(name, model, settings)

    def run(count):
        for _ in range(count):
            loss = loss_of()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


def repeated(operation):
    def load(data):
        def run(count):
            with torch.no_grad():
                for _ in range(count):
                    data["x"] = operation(data["x"], data)
            return data["x"].flatten()[0].item()

        return run

    return load


def reduced(operation):
    def load(data):
        def run(count):
            with torch.no_grad():
                for _ in range(count):
                    result = operation(data["x"])
            return result.flatten()[0].item()

        return run

    return load


kernels = {
    "matmul": repeated(lambda x, data: x @ data["w"]),
    # In place, as a PyTorch user who minds memory would.
    "x*y+x": repeated(lambda x, data: x.addcmul_(x, data["y"])),
    "tanh": repeated(lambda x, data: x.tanh_()),
    "softmax of rows": repeated(lambda x, data: torch.softmax(x, -1)),
    "sum": reduced(lambda x: x.sum()),
    "column sums": reduced(lambda x: x.sum(0)),
}


def load(request):
    weights, data, settings = read_inputs(request["inputs"])
    name = request["workload"]
    if name in steps:
        return lambda: train(name, weights, data, settings, request["dropout"])
    head = name.split(" ")
    return lambda: kernels[" ".join(head[:-1]) if head[-1].isdigit() else name](data)


def blas_name():
    """Which OpenBLAS kernels were picked, by the library's own word."""
    import ctypes

    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "libopenblas" in line}
    for path in paths:
        library = ctypes.CDLL(path)
        library.openblas_get_corename.restype = ctypes.c_char_p
        return f"OpenBLAS {library.openblas_get_corename().decode()}"
    return "reference BLAS"


def reply(**message):
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def timed(run, count):
    begin = time.perf_counter()
    value = run(count)
    return {"ms": (time.perf_counter() - begin) * 1000, "value": value}


def main():
    import_ms = (time.perf_counter() - start) * 1000
    reply(kind="ready", name=f"PyTorch {torch.__version__.split('a')[0]} with {blas_name()}", importMs=import_ms)
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["kind"] == "load":
                prepare = load(request)
                begin = time.perf_counter()
                run = prepare()
                first = run(1)
                reply(kind="loaded", ms=(time.perf_counter() - begin) * 1000, value=first)
            elif request["kind"] == "run":
                reply(kind="ran", **timed(run, request["count"]))
            else:
                reply(kind="peak", megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        except Exception as error:
            reply(kind="failed", message=f"{type(error).__name__}: {error}")


main()
