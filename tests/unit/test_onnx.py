"""ONNX graphs: layers compute what onnx's reference evaluator does; everything else is refused by name, damage is noticed."""

import sys

import numpy as np
import pytest

import eventsnn as es
from eventsnn.ann import evaluate
from eventsnn.conversion.onnx import is_onnx, read_onnx
from eventsnn.conversion.onnx_nodes import DATA, NODES, Node
from eventsnn.conversion.read import read
from eventsnn.errors import EventsnnError, FormatError, NotAvailableError, ParameterError

onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `onnx`)")
reference = pytest.importorskip("onnx.reference")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


class Graph:
    """Builds a model node by node; `last` is the name of the newest tensor, which nodes take unless told otherwise."""

    def __init__(self, shape, batch="n", opset=17):
        self.nodes, self.constants, self.last, self.opset = [], [], "x", opset
        self.input = helper.make_tensor_value_info("x", FLOAT, [batch, *shape])

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def whole(self, values):
        return self.constant(values, np.int64)

    def add(self, kind, *others, data=None, outputs=1, domain=None, **attributes):
        """A node whose first input is `data`; `others` are names or arrays."""
        others = [v if isinstance(v, str) else self.constant(v) for v in others]
        inputs = [self.last if data is None else data, *others]
        made = [f"t{len(self.nodes)}" + "abc"[k] for k in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, made, name=f"{kind}_{len(self.nodes)}", domain=domain, **attributes))
        self.last = made[0]
        return self

    def model(self, *outputs):
        out = [helper.make_empty_tensor_value_info(name) for name in outputs or (self.last,)]
        graph = helper.make_graph(self.nodes, "g", [self.input], out, self.constants)
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, 1) for d in {n.domain for n in self.nodes} - {""}]
        model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=8))
        for value in model.graph.output:
            value.type.tensor_type.elem_type = FLOAT
            value.type.tensor_type.shape.SetInParent() if value.type.tensor_type.HasField("shape") else \
                value.type.tensor_type.shape.dim.add()
        return model


def agree(model, x, logarithm=False):
    """Assert that the layers compute what the reference evaluator does; returns the layers."""
    layers, shape = read_onnx(model)
    assert shape == x.shape[1:]
    wanted = reference.ReferenceEvaluator(model).run(None, {"x": x.astype(np.float32)})[0]
    found = evaluate(layers, x.astype(np.float32))
    if logarithm:
        assert isinstance(layers[-1], es.ann.Softmax)
        found = np.log(found)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    return layers


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(0.0, 1.0, shape)


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


class Architect:
    """A random network: images through convolutions, norms, pools and residual blocks, flattened, and a few dense layers."""

    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.shape = (int(self.draw.integers(1, 4)), *(int(n) for n in self.draw.integers(8, 15, 2)))
        self.first = self.shape
        self.graph = Graph(self.shape, batch=self.choose(["n", 3]), opset=self.choose([7, 9, 11, 13, 15, 17, 18, 20]))

    def choose(self, options):
        return options[self.draw.integers(len(options))]

    def normal(self, *shape):
        return self.draw.normal(0.0, 1.0 / np.sqrt(max(np.prod(shape[1:]), 1.0)), shape)

    def conv(self, out=None, same=False):
        c, groups = self.shape[0], 1
        out = out or int(self.choose([2, 4, 6]))
        if self.draw.random() < 0.4:
            groups = int(np.gcd(c, out))
        k = (3, 3) if same else tuple(int(n) for n in self.draw.integers(1, 4, 2))
        dilation, stride, more = (1, 1), (1, 1), {}
        pads = (1, 1) if same else tuple(int(n) for n in self.draw.integers(0, 3, 2))
        if same and self.draw.random() < 0.5:
            more, pads = {"auto_pad": self.choose(["SAME_UPPER", "SAME_LOWER"])}, (1, 1)
        elif not same:
            dilation, stride = (tuple(int(n) for n in self.draw.integers(1, 3, 2)) for _ in range(2))
            more = {"strides": stride, "dilations": dilation, "pads": [*pads, *pads]}
            if self.draw.random() < 0.2:
                more, pads = {"strides": stride, "dilations": dilation, "auto_pad": "VALID"}, (0, 0)
        else:
            more = {"pads": [*pads, *pads]}
        size = [(n + 2 * p - d * (m - 1) - 1) // s + 1
                for n, p, d, m, s in zip(self.shape[1:], pads, dilation, k, stride)]
        if min(size) < 2:
            return
        others = [self.normal(out, c // groups, *k)] + ([self.normal(out)] if self.draw.random() < 0.7 else [])
        self.graph.add("Conv", *others, group=groups, **more)
        self.shape = (out, *size)
        if len(others) == 1 and self.draw.random() < 0.5:
            self.graph.add("Add", self.normal(1, out, 1, 1))

    def norm(self):
        """Before operator set 14 the reference evaluator computes what training would, which is not asked for."""
        n = self.shape[0]
        if self.graph.opset < 14:
            return
        self.graph.add("BatchNormalization", 1.0 + self.normal(n), self.normal(n), self.normal(n),
                       self.draw.uniform(0.5, 1.5, n), epsilon=1e-3)

    def pool(self):
        kernel = tuple(int(n) for n in self.draw.integers(1, 3, 2))
        self.graph.add(self.choose(["MaxPool", "AveragePool"]), kernel_shape=kernel, strides=kernel)
        self.shape = (self.shape[0], *(n // k for n, k in zip(self.shape[1:], kernel)))

    def relu(self):
        self.graph.add("Relu")

    def nothing(self):
        self.graph.add(self.choose(["Identity", "Dropout"]))

    def residual(self, depth=0):
        begin, channels = self.graph.last, self.shape[0]
        self.conv(channels, same=True)
        if self.draw.random() < 0.5:
            self.norm()
        self.relu()
        if depth == 0 and self.draw.random() < 0.4:
            self.residual(depth=1)
        self.conv(channels, same=True)
        if self.draw.random() < 0.4:
            last = self.graph.last
            self.graph.last = begin
            self.conv(channels, same=True)
            begin, self.graph.last = self.graph.last, last
        one, other = (begin, self.graph.last) if self.draw.random() < 0.5 else (self.graph.last, begin)
        self.graph.add("Add", other, data=one)

    def flatten(self):
        n, g = int(np.prod(self.shape)), self.graph
        way = self.draw.integers(4)
        if way == 0:
            g.add("Flatten", axis=self.choose([1, -3]) if g.opset >= 11 else 1)
        elif way == 1:
            g.add("Reshape", g.whole(self.choose([[0, -1], [-1, n]])))
        elif way == 2:
            g.add("GlobalAveragePool")
            g.add("Flatten")
            n = self.shape[0]
        else:
            n = self.shape[0]
            g.add("GlobalAveragePool")
            g.add("Squeeze", g.whole([2, 3])) if g.opset >= 13 else g.add("Squeeze", axes=[2, 3])
        self.shape = (n,)

    def dense(self, out):
        n, trans = self.shape[0], int(self.draw.integers(2))
        if self.draw.random() < 0.6:
            weight = self.normal(out, n)
            self.graph.add("Gemm", weight if trans else weight.T, self.normal(*self.choose([(out,), (1, out), (1,)])),
                           alpha=float(self.draw.uniform(0.5, 2.0)), beta=float(self.draw.uniform(0.5, 2.0)), transB=trans)
        else:
            self.graph.add("MatMul", self.normal(out, n).T)
            if self.draw.random() < 0.7:
                self.graph.add("Add", self.normal(out))
        self.shape = (out,)

    def build(self):
        for _ in range(self.draw.integers(1, 6)):
            if min(self.shape[1:]) < 4:
                break
            self.choose([self.conv, self.conv, self.norm, self.pool, self.relu, self.nothing, self.residual])()
        self.flatten()
        self.dense(8)
        self.relu()
        if self.draw.random() < 0.3:
            self.norm()
        self.dense(5)
        end = self.choose([None, "Softmax", "LogSoftmax"])
        if end:
            self.graph.add(end, axis=self.choose([1, -1]) if self.graph.opset >= 11 else 1)
        return self.graph.model(), end == "LogSoftmax"


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_compute_what_the_reference_evaluator_does(seed):
    architect = Architect(seed)
    model, logarithm = architect.build()
    agree(model, images(3, *architect.first, seed=seed), logarithm)


def test_the_random_networks_hold_everything():
    models = [Architect(seed).build()[0] for seed in range(60)]
    assert {node.op_type for model in models for node in model.graph.node} == {
        "Conv", "Add", "BatchNormalization", "MaxPool", "AveragePool", "Relu", "Identity", "Dropout", "Flatten", "Reshape",
        "GlobalAveragePool", "Squeeze", "Gemm", "MatMul", "Softmax", "LogSoftmax"}
    layers = [layer for model in models for layer in read(model)]
    assert {type(layer) for layer in layers} == set(es.ann.LAYERS) - {es.ann.Saturation}
    assert any(layer.shortcut for layer in layers if isinstance(layer, es.ann.Residual))
    inner = [layer for block in layers if isinstance(block, es.ann.Residual) for layer in block.layers]
    assert any(isinstance(layer, es.ann.Residual) for layer in inner)


def small(path=None):
    """A convolutional network of known layers, as model and as layers."""
    draw = np.random.default_rng(1)
    kernel, shift, weight = (draw.normal(0.0, 0.3, s).astype(np.float32) for s in ((4, 1, 3, 3), (4,), (5, 36)))
    g = Graph((1, 6, 6)).add("Conv", kernel, shift, pads=[1, 1, 1, 1]).add("Relu")
    g.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2]).add("Flatten").add("Gemm", weight, transB=1)
    layers = [es.ann.Conv2d(kernel, shift, padding=1), es.ann.ReLU(), es.ann.AvgPool2d(2), es.ann.Flatten(),
              es.ann.Linear(weight)]
    model = g.model()
    if path is not None:
        onnx.save(model, path)
    return model, layers


def test_a_file_is_converted_without_an_input_shape(tmp_path):
    path = tmp_path / "net.onnx"
    model, layers = small(path)
    wanted = es.convert(layers, input_shape=(1, 6, 6))
    for network in (path, str(path), model):
        found = es.convert(network, to="asnn")
        assert found.shape == (1, 6, 6) and kinds(found.layers) == kinds(layers) == kinds(read(network))
        for one, other in zip(found.stages, wanted.stages, strict=True):
            assert one.shape == other.shape and one.out_shape == other.out_shape
            for mine, theirs in zip(one.branches, other.branches, strict=True):
                assert np.array_equal(mine.affine.weight, theirs.affine.weight) and mine.shape == theirs.shape
                assert np.array_equal(mine.affine.bias, theirs.affine.bias)


def test_other_things_are_no_onnx():
    assert is_onnx("NET.ONNX") and not is_onnx("net.h5") and not is_onnx([es.ann.ReLU()])
    with pytest.raises(ParameterError, match=r"'net.pt'"):
        es.convert("net.pt")


def test_dimensions_that_the_graph_leaves_open_are_asked_for():
    draw = np.random.default_rng(2)
    g = Graph((2, "h", "w")).add("Conv", draw.normal(0.0, 1.0, (3, 2, 3, 3))).add("Relu")
    model = g.add("GlobalAveragePool").add("Flatten").add("Gemm", draw.normal(0.0, 1.0, (3, 4))).model()
    with pytest.raises(ParameterError, match=r"input_shape must be given.*'x', \(2, \?, \?\)"):
        es.convert(model)
    assert es.convert(model, input_shape=(2, 5, 7)).stages[1].out_shape == (3, 3, 5)
    for wrong in ((1, 5, 7), (2, 5), (2, 5, 7, 1)):
        with pytest.raises(ParameterError, match=r"input_shape must agree with input 'x'"):
            es.convert(model, input_shape=wrong)
    for wrong in ("ab", (2, 0, 3), (2, 5.5, 7), ()):
        with pytest.raises(ParameterError, match="input_shape must be whole numbers"):
            es.convert(model, input_shape=wrong)
    with pytest.raises(ParameterError, match=r"node 'Conv_0' \(Conv\).*larger than its input"):
        es.convert(model, input_shape=(2, 1, 9))
    open_ = Graph(("features",)).add("MatMul", draw.normal(0.0, 1.0, (3, 4))).model()
    assert es.convert(open_, input_shape=3).stages[1].out_shape == (4,)
    with pytest.raises(NotAvailableError, match="input 'x' of the graph must have a batch"):
        read(Graph((), batch=4).add("Relu").model())


def test_what_exporters_write_around_the_layers():
    """Flattening by the measured size of the batch, the mean of maps, pools over a whole map, constants by nodes."""
    draw, x = np.random.default_rng(3), images(4, 2, 4, 5, seed=3)
    g = Graph((2, 4, 5)).add("Shape")
    g.add("Gather", g.whole(0), axis=0).add("Unsqueeze", g.whole([0]))
    g.add("Concat", g.whole([-1]), axis=0).add("Reshape", g.last, data="x")
    g.nodes.append(helper.make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(draw.normal(0, 1, (3, 40)))))
    g.add("Cast", data="w", to=FLOAT).add("Transpose", perm=[1, 0])
    assert kinds(agree(g.add("MatMul", g.last, data="t4a").model(), x)) == ["Flatten", "Linear"]
    for keep in (0, 1):
        assert kinds(agree(Graph((2, 4, 5)).add("ReduceMean", axes=[-1, 2], keepdims=keep).model(), x))[0] == "AvgPool2d"
        g = Graph((2, 4, 5), opset=18)
        agree(g.add("ReduceMean", g.whole([2, 3]), keepdims=keep).model(), x)
    agree(Graph((2, 4, 5)).add("AveragePool", kernel_shape=[4, 5]).model(), x)
    agree(Graph((2, 4, 5)).add("MaxPool", kernel_shape=[3, 5], strides=[2, 1]).model(), x)
    agree(Graph((2, 4, 5)).add("MaxPool", kernel_shape=[2, 5], strides=[2, 5], ceil_mode=1).model(), x)
    agree(Graph((2, 4, 5)).add("MaxPool", kernel_shape=[2, 1], strides=[2, 1], auto_pad="SAME_UPPER").model(), x)
    g = Graph((2, 4, 5))
    agree(g.add("Reshape", g.whole([-1, 2, 4, 5])).add("Relu").model(), x)
    g = Graph((2, 4, 5), batch=4)
    agree(g.add("Reshape", g.whole([4, -1])).model(), x)
    g = Graph((3,)).add("MatMul", draw.normal(0, 1, (3, 2))).add("Identity")
    assert kinds(agree(g.add("Add", "t1a", data=g.constant([1.0, 2.0])).model(), x[:, 0, 0, :3])) == ["Linear"]


def test_norms_mean_the_same_in_all_operator_sets():
    statistics, x, found = 0.5 + images(4, 3, seed=4) ** 2, images(4, 3, 2, 2, seed=4), []
    for opset in (7, 9, 13):
        [norm] = read(Graph((3, 2, 2), opset=opset).add("BatchNormalization", *statistics, epsilon=0.1).model())
        found.append(norm(x))
    model = Graph((3, 2, 2), opset=15).add("BatchNormalization", *statistics, epsilon=0.1).model()
    assert all(np.array_equal(y, evaluate(agree(model, x), x)) for y in found)


def test_nodes_that_the_output_does_not_need_are_not_read():
    g = Graph((3,)).add("Sigmoid").add("MatMul", np.eye(3), data="x")
    assert kinds(agree(g.model(), images(2, 3))) == ["Linear"]


def test_branches_meet_where_they_begin():
    """An addition of one tensor to itself; two blocks in a row; a block around a block, by way of Identity nodes."""
    x = images(4, 3, seed=5)
    weights = np.random.default_rng(5).normal(0.0, 0.5, (3, 3, 3))
    [double] = agree(Graph((3,)).add("Add", "x").model(), x)
    assert isinstance(double, es.ann.Residual) and double.layers == []
    g = Graph((3,)).add("MatMul", weights[0])
    for k in (1, 2):
        begin = g.last
        g.add("Relu").add("MatMul", weights[k]).add("Add", begin)
    assert kinds(agree(g.model(), x)) == ["Linear", "Residual", "Residual"]
    g = Graph((3,)).add("Identity").add("Relu").add("Identity")
    begin = g.last
    g.add("MatMul", weights[1]).add("Add", begin).add("Relu").add("Add", "x")
    [outer] = agree(g.model(), x)
    assert kinds(outer.layers) == ["ReLU", "Residual", "ReLU"] and kinds(outer.layers[1].layers) == ["Linear"]


def refused():
    """(label, graph, what the refusal says); graphs begin at images of (2, 6, 6) or at 4 features."""
    kernel, square, n = np.ones((3, 2, 3, 3)), np.eye(4), np.ones(2)
    image, flat = lambda **k: Graph((2, 6, 6), **k), lambda **k: Graph((4,), **k)  # noqa: E731
    yield "unknown", flat().add("Relu").add("Sigmoid"), r"^node 'Sigmoid_1' \(Sigmoid\) cannot be converted$"
    yield "domain", flat().add("Fold", domain="own.ops"), r"'Fold_0' \(Fold\).*'own.ops'"
    yield "pads", image().add("Conv", kernel, pads=[0, 1, 1, 1]), r"'Conv_0' \(Conv\).*symmetric.*\(0, 1\).*\(1, 1\)"
    yield "same", image().add("Conv", kernel, auto_pad="SAME_UPPER", strides=[2, 2]), r"'Conv_0'.*\(0, 0\) before and \(1, 1\)"
    yield "lower", image().add("Conv", kernel, auto_pad="SAME_LOWER", strides=[2, 2]), r"'Conv_0'.*\(1, 1\) before and \(0, 0\)"
    yield "auto_pad", image().add("Conv", kernel, auto_pad="ABOUT"), r"'Conv_0'.*auto_pad 'ABOUT'"
    yield "other kernel", image().add("Conv", kernel, kernel_shape=[2, 2]), r"'Conv_0'.*kernel_shape.*\(2, 2\)"
    yield "conv 1d", Graph((2, 6)).add("Conv", np.ones((3, 2, 3))), r"'Conv_0'.*two dimensions, got 1"
    yield "kernels", image().add("Conv", "x"), "'Conv_0'.*first input"
    yield "dense pool", image().add("MaxPool", kernel_shape=[2, 2]), r"'MaxPool_0' \(MaxPool\).*strides must be its kernel"
    yield "ceil", image().add("AveragePool", kernel_shape=[4, 4], strides=[4, 4], ceil_mode=1), "'AveragePool_0'.*ceil_mode"
    yield "pool pads", image().add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1]), "'MaxPool_0'.*padding"
    yield "pool same", image().add("MaxPool", kernel_shape=[4, 4], strides=[4, 4], auto_pad="SAME_UPPER"), "'Max.*padding"
    yield "dilated", image().add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], dilations=[2, 2]), "'MaxPool_0'.*dilations"
    yield "pool 1d", Graph((2, 6)).add("MaxPool", kernel_shape=[2], strides=[2]), r"'MaxPool_0'.*needs images.*\(2, 6\)"
    places = image().add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], outputs=2)
    yield "indices", places.add("Cast", data="t0b", to=FLOAT), "'MaxPool_0'.*first output"
    yield "mean 1d", Graph((2, 6)).add("GlobalAveragePool"), "'GlobalAveragePool_0'.*needs images"
    yield "mean of channels", image().add("ReduceMean", axes=[1]), r"'ReduceMean_0'.*height and width, got axes \(1,\)"
    yield "per pixel", image(opset=8).add("BatchNormalization", n, n, n, n, spatial=0), "'BatchNormalization_0'.*inference"
    yield "training", image().add("BatchNormalization", n, n, n, n, training_mode=1, outputs=3), "'BatchN.*it must be for inf"
    g = flat()
    yield "dropout", g.add("Dropout", np.float32(0.5), g.constant(True, bool)), "'Dropout_0'.*training_mode"
    yield "transA", Graph((4,), batch=4).add("Gemm", square, transA=1), "'Gemm_0'.*transA"
    g = flat(batch=4)
    yield "second", g.add("MatMul", "x", data=g.constant(square)), r"'MatMul_0' \(MatMul\).*first input must depend"
    yield "bias per sample", flat(batch=4).add("Gemm", square, np.ones((4, 1))), r"'Gemm_0'.*one number per channel.*\(4, 1\)"
    yield "bias per pixel", image().add("Conv", kernel).add("Add", np.ones((4, 4))), r"'Add_1' \(Add\).*one number per channel"
    yield "wider", Graph((4,)).add("MatMul", np.ones((4, 1))).add("Add", np.ones(3)), "'Add_1'.*one number per channel"
    yield "shift", flat().add("Relu").add("Add", np.ones(4)), "'Add_1'.*only be added to the output of a Gemm"
    yield "images", image().add("MatMul", np.eye(6)), r"'MatMul_0'.*takes 6 inputs, got shape \(2, 6, 6\)"
    yield "vector", flat().add("MatMul", np.ones(4)), r"'MatMul_0'.*matrix, got shape \(4,\)"
    yield "batch", image().add("Flatten", axis=0), "'Flatten_0'.*axis must be 1, got 0"
    g = image()
    yield "fold", g.add("Reshape", g.whole([-1, 36])), r"'Reshape_0'.*\[-1, 36\] for shape \(2, 6, 6\)"
    g = image()
    yield "mixed", g.add("Reshape", g.whole([1, -1])), r"'Reshape_0'.*\[1, -1\]"
    g = flat()
    yield "unfold", g.add("Reshape", g.whole([-1, 1, 2, 2])), r"'Reshape_0'.*\[-1, 1, 2, 2\]"
    yield "squeeze", Graph((4, 1, 1), batch=2).add("Squeeze"), "'Squeeze_0'.*axes must be given"
    yield "squeeze batch", Graph((4,), batch=1, opset=11).add("Squeeze", axes=[0]), r"'Squeeze_0'.*axes \(0,\)"
    yield "softmax", flat().add("Softmax").add("Relu"), "'Softmax_0'.*last node"
    yield "over pixels", image().add("Softmax", axis=1), r"'Softmax_0'.*over the classes, got axis 1"
    yield "spread", flat().add("MatMul", np.ones((4, 1))).add("Add", "x"), r"'Add_1'.*one shape, got \(1,\) and \(4,\)"
    g = flat().add("Shape").add("Cast", to=FLOAT)
    yield "size as data", g.add("Gemm", square, "t1a", data="x"), "'Gemm_2'.*size of the batch"
    g = flat()
    places = onnx.numpy_helper.from_array(np.array([5]), "places")
    sparse = helper.make_sparse_tensor(onnx.numpy_helper.from_array(np.ones(1, np.float32), "v"), places, [4, 4])
    g.nodes.append(helper.make_node("Constant", [], ["s"], sparse_value=sparse, name="sparse"))
    yield "sparse", g.add("MatMul", "s"), r"'sparse' \(Constant\).*dense tensor or numbers, got sparse_value"


CASES = {label: case for label, *case in refused()}


@pytest.mark.parametrize("label", CASES)
def test_what_cannot_be_expressed_is_refused_by_name(label):
    graph, message = CASES[label]
    with pytest.raises(NotAvailableError, match=message):
        read(graph.model())


def test_nodes_look_after_their_steps_themselves():
    """Whether or not the package onnx has checked them."""
    for attribute, value in (("strides", [0, 1]), ("dilations", [1])):
        node = Node("c", "Conv", 17, {attribute: value}, [DATA, np.ones((3, 2, 3, 3))], None, True)
        with pytest.raises(NotAvailableError, match=rf"'c' \(Conv\).*{attribute} must be two numbers >= 1"):
            NODES["Conv"](node, (2, 6, 6))


def test_graphs_of_another_form_are_refused():
    g = Graph((4,)).add("Relu").add("Identity")
    with pytest.raises(NotAvailableError, match="2 outputs"):
        read(g.model("t0a", "t1a"))
    model = Graph((4,)).add("Relu").model()
    model.graph.input.append(helper.make_tensor_value_info("z", FLOAT, ["n", 4]))
    with pytest.raises(NotAvailableError, match="2 inputs"):
        read(model)
    g = Graph((4,)).add("Identity", data="c0")
    g.constant(np.ones(4))
    with pytest.raises(NotAvailableError, match="does not depend on its input 'x'"):
        read(g.model())
    with pytest.raises(NotAvailableError, match="operator set 6"):
        read(Graph((4,), opset=6).add("Relu").model())


def test_a_graph_that_only_passes_its_input_on_has_no_layers():
    with pytest.raises(ParameterError, match="no layers"):
        es.convert(Graph((4,)).add("Identity").model())


def test_truncated_files_are_noticed(tmp_path):
    path = tmp_path / "net.onnx"
    small(path)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 13):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match="'net.onnx' is no valid ONNX model"):
            es.convert(path)


def test_altered_bytes_never_end_in_another_error(tmp_path):
    path, draw, refused = tmp_path / "net.onnx", np.random.default_rng(6), 0
    for seed in range(10):
        whole = Architect(seed).build()[0].SerializeToString()
        for _ in range(30):
            altered = bytearray(whole)
            for place in draw.integers(0, min(len(whole), 1200), 2):
                altered[place] = draw.integers(256)
            path.write_bytes(altered)
            try:
                read(path)
            except EventsnnError:
                refused += 1
    assert refused > 100


def test_other_damage_is_noticed(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_text("no protocol buffer")
    with pytest.raises(FormatError, match="net.onnx"):
        es.convert(path)
    with pytest.raises(FileNotFoundError):
        es.convert(tmp_path / "none.onnx")
    for bad in (np.nan, np.inf):
        with pytest.raises(FormatError, match="constant 'c0' must be finite"):
            es.convert(Graph((2,)).add("MatMul", [[1.0], [bad]]).model())
    with pytest.raises(ParameterError, match=r"'Gemm_0' \(Gemm\).*finite, got .*nan"):
        es.convert(Graph((2,)).add("Gemm", np.eye(2), alpha=np.nan).model())
    model = small()[0]
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    with pytest.raises(FormatError):
        es.convert(model)
    model = Graph((2,)).add("MatMul", np.eye(3)).model()
    with pytest.raises(FormatError, match="'ModelProto' is no valid ONNX model"):
        es.convert(model)
    for wrong in ({"pads": [-1, 0, -1, 0]}, {"pads": [1, 1]}, {"strides": [0, 1]}, {"dilations": [1]}, {"group": 3}):
        with pytest.raises((FormatError, NotAvailableError, ParameterError), match="Conv_0"):
            es.convert(Graph((2, 4, 5)).add("Conv", np.ones((4, 2, 3, 3)), **wrong).model())
    g = Graph((2, 4, 5)).add("Shape")
    g.add("Gather", g.whole(9), axis=0).add("Unsqueeze", g.whole([0]))
    with pytest.raises(FormatError, match=r"node 'Gather_1' \(Gather\)|is no valid ONNX model"):
        es.convert(g.add("Concat", g.whole([-1]), axis=0).add("Reshape", g.last, data="x").model())


def test_weights_in_a_file_of_their_own(tmp_path):
    path = tmp_path / "net.onnx"
    model, layers = small()
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    for found, wanted in zip(read(path), layers, strict=True):
        assert type(found) is type(wanted)
        assert not hasattr(wanted, "weight") or np.array_equal(found.weight, wanted.weight)
    apart = onnx.load(path, load_external_data=False)
    with pytest.raises(FormatError):
        read(apart)
    weights = (tmp_path / "weights.bin").read_bytes()
    (tmp_path / "weights.bin").write_bytes(weights[:-1])
    with pytest.raises(FormatError, match="net.onnx"):
        read(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(FormatError, match="net.onnx"):
        read(path)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotAvailableError, match=r"eventsnn\[onnx\]"):
        es.convert("net.onnx")
