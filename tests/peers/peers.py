"""The peers: each offers one or more ways to compute a case on the CPU.

A way is (name, make): make() returns run and fetch.  run() computes once and is what is timed; fetch()
gives the result, f32, shaped as the case's output.  make() and run() may raise: the peer cannot."""

import glob
import importlib.util
import os
import time

import ml_dtypes
import numpy as np


class Cannot(Exception):
    """Why a peer does not take a case, in a few words."""


def folded(case):
    """With one query per head, a group's heads may stand as queries of their kv head: the same numbers,
    and a form that every system takes without repeating keys."""
    return case.nq == 1 and case.heads > case.kv


def fold(case, q):
    return q.reshape(1, case.kv, case.heads // case.kv, case.dim)


def band(case):
    """A window as a mask, for systems that know no windows."""
    i, j = np.arange(case.nq)[:, None] + (case.nk - case.nq), np.arange(case.nk)[None]
    return ((j <= i) & (j > i - case.window))[None, None]


def output_shape(case):
    return (case.rows, case.outputs) if case.rows else (1, case.heads, case.nq, case.dim)


# ---- PyTorch ---------------------------------------------------------------


class Torch:
    name = "torch"

    def __init__(self, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.version = torch.__version__

    def tensor(self, array):
        if array.dtype == ml_dtypes.bfloat16:
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def ways(self, case, arrays):
        if case.rows:
            yield "torch linear", lambda: self.linear(arrays)
            return
        yield "torch", lambda: self.attention(case, arrays, False)
        if folded(case):
            yield "torch, folded", lambda: self.attention(case, arrays, True)
        if case.window:
            yield "torch flex_attention", lambda: self.flex(case, arrays)

    def answer(self, case, run):
        kept = {}

        def timed():
            kept["out"] = run()

        return timed, lambda: kept["out"].float().numpy().reshape(output_shape(case))

    def linear(self, arrays):
        x, weight = self.tensor(arrays["x"]), self.tensor(arrays["weight"])
        kept = {}

        def run():
            kept["y"] = self.torch.nn.functional.linear(x, weight)

        return run, lambda: kept["y"].float().numpy()

    def attention(self, case, arrays, fold_groups):
        q, k, v = (self.tensor(arrays[name]) for name in "qkv")
        q = fold(case, q) if fold_groups else q
        mask = None
        if case.window:
            mask = self.tensor(band(case))
        elif case.mask or case.bias:
            mask = self.tensor(arrays["mask" if case.mask else "bias"])
        options = {"attn_mask": mask, "is_causal": case.causal and not case.window}
        if case.heads > case.kv and not fold_groups:
            options["enable_gqa"] = True
        attend = self.torch.nn.functional.scaled_dot_product_attention
        return self.answer(case, lambda: attend(q, k, v, **options))

    def flex(self, case, arrays):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        def seen(b, h, i, j):
            return (j <= i) & (j > i - case.window)

        q, k, v = (self.tensor(arrays[name]) for name in "qkv")
        blocks = create_block_mask(seen, None, None, case.nq, case.nk, device="cpu")
        attend = self.torch.compile(flex_attention)
        return self.answer(case, lambda: attend(q, k, v, block_mask=blocks))


# ---- ONNX Runtime ----------------------------------------------------------


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, threads):
        import onnxruntime

        self.ort = onnxruntime
        self.threads = threads
        self.version = onnxruntime.__version__

    def ways(self, case, arrays):
        if case.rows:
            return
        yield "onnxruntime Attention", lambda: self.attention(case, arrays, False)
        if folded(case):
            yield "onnxruntime Attention, folded", lambda: self.attention(case, arrays, True)
        yield "onnxruntime MultiHeadAttention", lambda: self.multi_head(case, arrays)

    def session(self, node, inputs, output_shape):
        """A model of that node alone, on inputs by name; returns what runs it and its output."""
        from onnx import TensorProto, helper

        kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16,
                 np.dtype(bool): TensorProto.BOOL}  # fmt: skip
        kind = kinds[inputs["q"].dtype]
        graph = helper.make_graph(
            [node], "peer",
            [helper.make_tensor_value_info(n, kinds[a.dtype], a.shape) for n, a in inputs.items()],
            [helper.make_tensor_value_info("out", kind, output_shape)],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = self.ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = self.ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        out = np.zeros(output_shape, inputs["q"].dtype)
        values = {n: self.ort.OrtValue.ortvalue_from_numpy(a) for n, a in inputs.items()}
        value = self.ort.OrtValue.ortvalue_from_numpy(out)
        binding = session.io_binding()
        for name, one in values.items():
            binding.bind_ortvalue_input(name, one)
        binding.bind_ortvalue_output("out", value)
        return (lambda: session.run_with_iobinding(binding)), value

    def check(self, case):
        if case.type == "bf16":
            raise Cannot("no bfloat16 attention on its CPU provider")
        if case.window:
            raise Cannot("no window")

    def attention(self, case, arrays, fold_groups):
        from onnx import helper

        self.check(case)
        q = fold(case, arrays["q"]) if fold_groups else arrays["q"]
        inputs = {"q": q, "k": arrays["k"], "v": arrays["v"]}
        inputs.update({"m": arrays["mask" if case.mask else "bias"]} if case.mask or case.bias else {})
        node = helper.make_node("Attention", list(inputs), ["out"], is_causal=int(case.causal))
        run, value = self.session(node, inputs, q.shape)
        return run, lambda: value.numpy().astype(np.float32).reshape(output_shape(case))

    def multi_head(self, case, arrays):
        """{batch, rows, heads * columns}; masks as additive biases."""
        from onnx import helper

        self.check(case)
        if case.heads > case.kv and not folded(case):
            raise Cannot("no grouped heads")
        heads = case.kv
        q = fold(case, arrays["q"]) if folded(case) else arrays["q"]

        def rows_first(a):
            return np.ascontiguousarray(a.transpose(0, 2, 1, 3)).reshape(1, a.shape[2], -1)

        inputs = {"q": rows_first(q), "k": rows_first(arrays["k"]), "v": rows_first(arrays["v"])}
        names = ["q", "k", "v"]
        if case.mask or case.bias:
            inputs["m"] = arrays["bias"] if case.bias else np.where(arrays["mask"], 0, -np.inf).astype(np.float32)
            names += ["", "", "m"]
        node = helper.make_node("MultiHeadAttention", names, ["out"], domain="com.microsoft",
                                num_heads=heads, unidirectional=int(case.causal))  # fmt: skip
        run, value = self.session(node, inputs, inputs["q"].shape)

        def fetch():
            out = value.numpy().astype(np.float32).reshape(1, q.shape[2], heads, case.dim)
            return out.transpose(0, 2, 1, 3).reshape(output_shape(case))

        return run, fetch


# ---- OpenVINO --------------------------------------------------------------


class OpenVino:
    name = "openvino"

    def __init__(self, threads):
        import openvino

        self.ov = openvino
        self.core = openvino.Core()
        self.threads = threads
        self.version = openvino.__version__.split("-")[0]

    def ways(self, case, arrays):
        if not case.rows:
            yield "openvino", lambda: self.attention(case, arrays)

    def tensor(self, array):
        ov = self.ov
        if array.dtype == ml_dtypes.bfloat16:
            tensor = ov.Tensor(ov.Type.bf16, ov.Shape(array.shape))
            np.copyto(tensor.data.view(np.uint16), array.view(np.uint16))
            return tensor
        return ov.Tensor(array, shared_memory=True)

    def attention(self, case, arrays):
        from openvino import opset13

        ov = self.ov
        if case.window:
            raise Cannot("no window")
        if case.heads > case.kv and not folded(case):
            raise Cannot("no grouped heads")
        q = fold(case, arrays["q"]) if folded(case) else arrays["q"]
        tensors = [self.tensor(a) for a in (q, arrays["k"], arrays["v"])]
        if case.mask or case.bias:
            tensors.append(self.tensor(arrays["mask" if case.mask else "bias"]))
        inputs = [opset13.parameter(list(t.shape), t.element_type) for t in tensors]
        node = opset13.scaled_dot_product_attention(*inputs, causal=case.causal)
        precision = {"f32": "f32", "f16": "f16", "bf16": "bf16"}[case.type]
        compiled = self.core.compile_model(
            ov.Model([node], inputs), "CPU",
            {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": self.threads,
             "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"},
        )  # fmt: skip
        request = compiled.create_infer_request()
        for number, tensor in enumerate(tensors):
            request.set_input_tensor(number, tensor)
        keep = tensors

        def fetch():
            assert keep
            data = request.get_output_tensor(0).data
            if case.type == "bf16":
                data = data.view(ml_dtypes.bfloat16)
            return data.astype(np.float32).reshape(output_shape(case))

        return request.infer, fetch


# ---- OpenBLAS --------------------------------------------------------------


class Blas:
    """The better of numpy's OpenBLAS and Debian's, each with the kernel that is fastest here."""

    name = "OpenBLAS"

    def __init__(self, threads):
        import blas

        package = os.path.dirname(importlib.util.find_spec("numpy").origin)
        bundled = glob.glob(os.path.join(package, "..", "numpy.libs", "libscipy_openblas*"))
        self.libraries, self.tried = {}, {}
        for label, path in [("numpy's", p) for p in bundled] + [("Debian's", "libopenblas.so.0")]:
            try:
                choice, self.tried[label] = blas.probe(path)
                self.libraries[label] = blas.load(path, choice)
                self.libraries[label].set_threads(threads)
            except OSError as error:
                self.tried[label] = str(error)
        self.version = ", ".join(f"{label} {one.version} ({one.kernel})" for label, one in self.libraries.items())

    def ways(self, case, arrays):
        for label, library in self.libraries.items() if case.rows else ():
            yield f"OpenBLAS, {label}", lambda library=library: self.project(case, library, arrays)

    def project(self, case, library, arrays):
        y = np.zeros((case.rows, case.outputs), np.float32)
        return library.project(arrays["x"], arrays["weight"], y), lambda: y


PEERS = (Blas, Torch, OnnxRuntime, OpenVino)


# ---- Timing ----------------------------------------------------------------


def settle():
    """Waits until this process computes nothing: worker threads of some peers spin on after their work,
    and would take a core from whoever comes next."""
    for _ in range(40):
        before = time.process_time()
        time.sleep(0.005)
        if time.process_time() - before < 0.0005:
            return


def best_of(run, seconds, least=1):
    """Milliseconds of the fastest run in that time."""
    best, runs, end = float("inf"), 0, time.perf_counter() + seconds
    while runs < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best * 1e3
