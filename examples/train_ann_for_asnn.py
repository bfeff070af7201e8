"""Train the plain ReLU networks that are shipped for conversion (needs PyTorch), and write them as files for `evaluate`.

While asnn-fashion-cnn is trained, its ReLUs are disturbed as the neurons that will stand for them are (`rippled`); afterwards
they are plain ones.

Usage: python examples/train_ann_for_asnn.py NAME [--epochs N] [--out FILE], NAME one of asnn-mnist-mlp, asnn-mnist-cnn,
asnn-fashion-cnn, asnn-iris, asnn-sonar, asnn-mnist-saturating. The last epoch is taken; the test set is looked at once, at the
end.
"""

import argparse

import torch
from torch import nn

import eventsnn as es
from eventsnn.conversion.files import save_plain
from eventsnn.conversion.read import read
from eventsnn.data.mnist import fashion_mnist, mnist
from eventsnn.data.tables import iris, sonar
from eventsnn.torch import Saturation


def mlp(*sizes, dropout=(0.0, 0.0)):
    layers = [nn.Dropout(dropout[0])]
    for n, m in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n, m), nn.ReLU(), nn.Dropout(dropout[1])]
    return nn.Sequential(*layers[:-2])


def saturating(*sizes, dropout):
    """For neurons with binary pulses: the first function stands for the encoding of the inputs."""
    layers = [Saturation(cutoff=0.05), nn.Dropout(dropout[0])]
    for n, m in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n, m), Saturation(), nn.Dropout(dropout[1])]
    return nn.Sequential(*layers[:-2])


def strided(first, second, hidden):
    return nn.Sequential(
        nn.Conv2d(1, first, 5, stride=2, padding=2), nn.BatchNorm2d(first), nn.ReLU(),
        nn.Conv2d(first, second, 5, stride=2, padding=2), nn.BatchNorm2d(second), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(second * 49, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 10))


def pooled(first, second, hidden):
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(first, second, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(second * 49, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 10))


def pictures(data, shape):
    return {split: (images.reshape(-1, *shape) / 255.0, labels) for split, (images, labels) in data.items()}


# how the network is converted by default, where not as usual
CONVERSION = {
    "asnn-iris": {"convert": {"m_f": 0.1}, "until": 0.2},
    "asnn-sonar": {"convert": {"m_f": 0.1, "tau_readout": 50e-3}, "until": 0.2},
    "asnn-mnist-cnn": {"convert": {"m_f": 0.1}, "until": 0.12},
    "asnn-fashion-cnn": {"convert": {"m_f": 0.3, "theta_0": 0.1}, "until": 0.08},
}
# name -> (data, their reader, network, epochs, batch, largest shift of an image in pixels, whether it is mirrored at random)
NETWORKS = {
    "asnn-mnist-mlp": ("mnist", lambda: pictures(mnist(), (784,)), lambda: mlp(784, 300, 300, 10, dropout=(0.2, 0.5)),
                       20, 100, 0, 0),
    "asnn-mnist-saturating": ("mnist", lambda: pictures(mnist(), (784,)),
                              lambda: saturating(784, 300, 300, 10, dropout=(0.2, 0.5)), 20, 100, 0, 0),
    "asnn-mnist-cnn": ("mnist", lambda: pictures(mnist(), (1, 28, 28)), lambda: strided(16, 32, 128), 20, 100, 2, 0),
    "asnn-fashion-cnn": ("fashion", lambda: pictures(fashion_mnist(), (1, 28, 28)), lambda: pooled(24, 48, 256), 25, 100, 1, 1),
    "asnn-iris": ("iris", iris, lambda: mlp(4, 20, 20, 3), 300, 20, 0, 0),
    "asnn-sonar": ("sonar", sonar, lambda: nn.Sequential(nn.BatchNorm1d(60), *mlp(60, 60, 2, dropout=(0.2, 0.5))),
                   100, 20, 0, 0),
}


def disturbed(images, shift, mirror, draw):
    """A batch with every image shifted by up to `shift` pixels, and mirrored with probability 1/2."""
    if shift:
        padded = nn.functional.pad(images, (shift,) * 4)
        at = torch.randint(0, 2 * shift + 1, (len(images), 2), generator=draw)
        size = images.shape[-1]
        images = torch.stack([one[:, a:a + size, b:b + size] for one, (a, b) in zip(padded, at.tolist())])
    if mirror:
        turned = torch.rand(len(images), generator=draw) < 0.5
        images = torch.where(turned[:, None, None, None], images.flip(-1), images)
    return images


def rippled(module, given, y, m_f=0.2):
    """What an adapting neuron decodes at some instant instead of `y`: 0 below m_f / 2, else up to half a threshold off."""
    if not module.training:
        return y
    return torch.where(y > 0.5 * m_f, y + m_f * (1.0 + 0.25 * y) * (torch.rand_like(y) - 0.5), torch.zeros_like(y))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    draw = torch.Generator().manual_seed(options.seed)
    data, reader, make, epochs, batch, shift, mirror = NETWORKS[options.name]
    epochs = options.epochs or epochs
    parts = {split: (torch.tensor(x, dtype=torch.float32), torch.tensor(y)) for split, (x, y) in reader().items()}
    (x, y), net = parts["train"], make()
    if options.name == "asnn-fashion-cnn":
        for module in net.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_hook(rippled)
    steps = epochs * -(-len(x) // batch)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for some in torch.randperm(len(x), generator=draw).split(batch):
            loss = nn.functional.cross_entropy(net(disturbed(x[some], shift, mirror, draw)), y[some])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(some)
        if epochs < 50 or epoch % 50 == 49:
            print(f"epoch {epoch + 1}: loss {total / len(x):.4f}", flush=True)
    net.eval()
    layers, shape = read(net), tuple(x.shape[1:])
    out = options.out or f"{options.name}.h5"
    about = {"trained by": "examples/train_ann_for_asnn.py", "epochs": epochs, "seed": options.seed,
             "selected": "the last epoch", "torch": torch.__version__}
    save_plain(out, layers, shape, data, about | CONVERSION.get(options.name, {}))
    test, labels = parts["test"]
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in test.split(500)])
    print(f"{out}: test accuracy of the network {float((found == labels).float().mean()):.4f}; "
          f"{sum(p.numel() for p in net.parameters()):,} parameters; layers {[type(layer).__name__ for layer in layers]}")
    es.convert(layers, input_shape=shape)


if __name__ == "__main__":
    main()
