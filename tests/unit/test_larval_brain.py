"""The larval connectome: reading and refusing files, and a stimulus that spreads through it."""

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import eventsnn as es
from eventsnn.data.larval_brain import ARCHIVE, FOLDER, HEADS, TABLES, UNKNOWN, connectome, larval_brain
from eventsnn.errors import FormatError, ParameterError, UnknownNameError
from eventsnn.experiments import run_experiment
from eventsnn.experiments.config import load_plan
from eventsnn.experiments.larval_brain import build_network, first_spikes, listed, spread, wiring
from eventsnn.report.larval_brain import plot_sorted_raster, plot_spread

DATA = Path(os.environ.get("EVENTSNN_DATA", "")) / FOLDER
needs_data = pytest.mark.skipif(not (DATA / TABLES[0]).is_file(), reason=f"EVENTSNN_DATA does not hold {FOLDER}")


def settings(**values):
    return load_plan("larval-brain", values).settings


@pytest.fixture
def toy():
    """Two sensory neurons, an inhibitory local one, a projection neuron, and one without annotation."""
    edges = b"1,3,ad,40\n1,3,aa,2\n2,4,ad,30\n3,4,ad,50\n4,5,da,7\n4,4,ad,1\n"
    notes = b"1,2,sensory,visual; left eye,0\n3,no pair,LN,no official annotation,1\nno pair,4,PN,uPN; visual,2\n"
    return connectome([1, 2, 3, 4, 5], HEADS["edges"] + b"\n" + edges, HEADS["annotations"] + b"\n" + notes)


@pytest.fixture
def folder(tmp_path):
    for name in TABLES:
        shutil.copy(DATA / name, tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    return tmp_path


def test_tables_become_arrays(toy):
    assert toy.n == 5 and toy.cell_types.tolist() == ["sensory", "sensory", "LN", "PN", UNKNOWN]
    assert toy.notes[0] == ("visual", "left eye") and toy.notes[4] == ()
    assert toy.pre.tolist() == [0, 0, 1, 2, 3, 3] and toy.post.tolist() == [2, 2, 3, 3, 4, 3]
    pre, post, contacts = toy.pairs(("aa", "ad"))
    assert list(zip(pre, post, contacts)) == [(0, 2, 42), (1, 3, 30), (2, 3, 50), (3, 3, 1)]
    assert toy.pairs()[2].sum() == 130 and toy.pairs(("dd",))[0].size == 0


def test_words_select_cell_types_and_annotations(toy):
    assert toy.select("sensory").tolist() == [0, 1] and toy.select("visual").tolist() == [0, 1, 3]
    assert toy.select(UNKNOWN).tolist() == [4]
    with pytest.raises(UnknownNameError, match="unknown cell type or annotation 'visuel'; did you mean 'visual'?"):
        toy.select("visuel")
    with pytest.raises(ParameterError, match="kind of synapse is 'ax'; it must be one of aa, ad, da, dd"):
        toy.pairs(("ad", "ax"))


@pytest.mark.parametrize("edges, notes, message", [
    (b"pre,post\n1,2\n", HEADS["annotations"], "edges of the connectome must have the columns pre,post,type,synapses"),
    (HEADS["edges"] + b"\n1,2,ad,x\n", HEADS["annotations"], "cannot be read"),
    (HEADS["edges"] + b"\n1,9,ad,3\n", HEADS["annotations"], "cannot be read"),
    (HEADS["edges"] + b"\n1,2,ad\n", HEADS["annotations"], "cannot be read"),
    (HEADS["edges"] + b"\n1,2,ad,3\n", b"", "annotations of the connectome must have the columns"),
    (HEADS["edges"] + b"\n1,2,ad,3\n", HEADS["annotations"] + b"\n1,2,PN\n", "cannot be read"),
])
def test_bad_tables_are_refused(edges, notes, message):
    with pytest.raises(FormatError, match=message):
        connectome([1, 2], edges, notes)


def test_missing_data_say_what_to_get_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.delenv("EVENTSNN_DATA", raising=False)
    with pytest.raises(FormatError, match=f"EVENTSNN_DATA is not set. Get {ARCHIVE}.*eadd9330.*{FOLDER}.*licence"):
        larval_brain()
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    with pytest.raises(FormatError, match="there is no folder .*Get Supplementary"):
        larval_brain()
    with pytest.raises(FormatError, match=f"was not found in {tmp_path}"):
        larval_brain(tmp_path)


@needs_data
def test_the_brain_has_the_published_size():
    brain = larval_brain()
    count = {kind: int(brain.synapses[brain.kinds == kind].sum()) for kind in ("ad", "aa", "dd", "da")}
    assert count == {"ad": 234_958, "aa": 90_800, "dd": 20_415, "da": 6_438}
    assert brain.n == 2952 and brain.synapses.size == 116_922
    pre, post, contacts = brain.pairs()
    assert contacts.size == 110_677 and contacts.sum() == 352_611 and (pre == post).sum() == 537
    assert (brain.cell_types != UNKNOWN).sum() == 2606
    given = [line.split(",")[1] or UNKNOWN for line in (DATA / "neurons.csv").read_text().splitlines()[1:]]
    assert given == brain.cell_types.tolist()
    assert brain.select("olfactory").size == 42 and set(brain.cell_types[brain.select("olfactory")]) == {"sensory"}


@needs_data
def test_the_original_archive_reads_the_same(tmp_path):
    if not (DATA / ARCHIVE).is_file():
        pytest.skip("the archive is not there")
    shutil.copy(DATA / ARCHIVE, tmp_path)
    ours, theirs = larval_brain(), larval_brain(tmp_path)
    for name in ("ids", "cell_types", "pre", "post", "kinds", "synapses"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    assert ours.notes == theirs.notes


@needs_data
@pytest.mark.parametrize("name", TABLES)
def test_truncated_and_changed_files_are_refused(folder, name):
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match="cut short|damaged"):
        larval_brain(folder)
    plain = gzip.decompress(content) if path.suffix == ".gz" else content
    changed = plain[:-2] + (b"8" if plain[-2:-1] != b"8" else b"9") + plain[-1:]
    path.write_bytes(gzip.compress(changed) if path.suffix == ".gz" else changed)
    with pytest.raises(FormatError, match="damaged or of another version: the SHA-256 sum"):
        larval_brain(folder)


@needs_data
def test_packing_does_not_matter(folder):
    path = folder / TABLES[0]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    assert larval_brain(folder).n == 2952


def test_a_truncated_archive_is_refused(tmp_path):
    (tmp_path / ARCHIVE).write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(FormatError, match="cannot be read, it may be cut short"):
        larval_brain(tmp_path)


def test_weights_are_contacts_times_strength_and_sign(toy):
    pre, post, weight = wiring(toy, settings(w_syn=0.5))
    assert list(zip(pre, post, weight)) == [(0, 2, 21.0), (1, 3, 15.0), (2, 3, -25.0), (3, 3, 0.5)]
    assert wiring(toy, settings(inhibitory="LN, PN"))[2].tolist() == pytest.approx([11.55, 8.25, -13.75, -0.275])
    assert np.all(wiring(toy, settings(inhibitory=""))[2] > 0.0)
    assert listed(" a, b ,") == ["a", "b"]
    with pytest.raises(UnknownNameError, match="unknown inhibitory cell type 'LM'; did you mean 'LN'?"):
        wiring(toy, settings(inhibitory="LM"))


def test_neurons_follow_their_equations(toy):
    """Neuron 0 is driven; its spikes reach neuron 2 after the delay, whose own spikes clear the drive and hold V."""
    chosen = settings(stimulus="visual", stimulus_rate=50.0, inhibitory="", w_syn=2.0)
    net = build_network(chosen, toy)
    record = es.Record(v={"brain": [2]}, v_interval=1e-4)
    run = es.simulate(net, until=0.2, seed=1, record=record, progress=False)
    spikes, inputs = run.spikes["brain"], run.spikes["stimulus"]
    own = [spikes.times[spikes.neurons == k] for k in range(5)]
    assert np.array_equal(own[0], inputs.times[inputs.neurons == 0]), "every input spike makes a driven neuron spike"
    arrivals, first, second = own[0] + chosen["delay"], *own[2][:2]

    def v_after(start, arrival, times):
        """V by hand: V = 0 at `start`, and every arrival adds 84 mV of drive that decays with 5 ms."""
        drive = 84.0 * np.exp(-np.maximum(start - arrival, 0.0) / 5e-3)
        s = np.maximum(times[:, None] - np.maximum(arrival, start), 0.0)
        return (drive / 3.0 * (np.exp(-s / 20e-3) - np.exp(-s / 5e-3))).sum(axis=1)

    assert v_after(0.0, arrivals, np.array([first])) == pytest.approx(7.0, abs=1e-9)
    times, trace = run.v["brain"].times, run.v["brain"].values[:, 0]
    free = first + chosen["t_ref"]
    held, moving = (times >= first) & (times < free), (times > free) & (times < second)
    later = arrivals[arrivals > first]  # what came before was cleared by the spike
    assert (later < free).any() and held.any() and moving.any()
    assert np.all(trace[held] == 0.0)
    assert trace[moving] == pytest.approx(v_after(free, later, times[moving]), abs=1e-9)
    assert v_after(free, later, np.array([second])) == pytest.approx(7.0, abs=1e-9)
    same = es.simulate(net, until=0.2, seed=1, scheduler="reference", progress=False)
    assert np.array_equal(same.spikes["brain"].times, spikes.times)


def test_spread_counts_neurons_once():
    spikes = es.Spikes([0.01, 0.02, 0.02, 0.09], [0, 1, 0, 2])
    first = first_spikes(spikes, 4)
    kinds = np.array(["sensory", "PN", "PN", "PN"])
    found = spread(spikes, first, kinds, [0], 0.1)
    assert found["active_neurons"] == 3 and found["cell_types"].tolist() == ["PN"]
    assert found["cell_type_neurons"] == [3] and found["cell_type_active"] == [2]
    assert found["cell_type_latency_s"] == [pytest.approx(0.055)] and found["cell_type_rate_hz"] == [pytest.approx(20 / 3)]
    assert found["reached_neurons"][-1] == 3 and found["reached_neurons"][4] == 2
    assert sum(found["spiking_neurons"]) == 4 and found["time_s"][-1] == 0.1


@pytest.mark.parametrize("spikes", [es.Spikes([], []), es.Spikes([0.01, 0.05], [0, 3])])
def test_figures_stand_silence(toy, spikes):
    first = first_spikes(spikes, toy.n)
    arguments = toy.cell_types, toy.select("sensory"), ["LN"], 0.1
    assert len(plot_spread(first, *arguments).axes) == 2
    assert len(plot_sorted_raster(spikes, first, *arguments).axes) == 2


@needs_data
def test_runs_on_the_real_brain(tmp_path):
    summary = run_experiment("larval-brain", {"until": 0.05}, tmp_path)
    assert summary["neurons"] == 2952 and summary["connections"] == 100_862 and summary["contacts"] == 325_758
    assert summary["driven_neurons"] == 42 and summary["inhibitory_neurons"] == 110
    assert 42 <= summary["active_neurons"] < 400 and summary["spikes"] >= summary["input_spikes"]
    assert summary["reached_neurons"] == sorted(summary["reached_neurons"])
    kinds = dict(zip(summary["cell_types"], summary["cell_type_latency_s"]))
    assert kinds["PN"] > 1.8e-3 and kinds["MBON"] is None
    stored = es.Run.load(tmp_path / "run.h5")
    assert stored.counts.spikes["brain"] == summary["spikes"]
    for name in ("spread.png", "raster.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


@needs_data
def test_stronger_synapses_carry_the_smell_to_the_descending_neurons():
    brain, reached = larval_brain(), {}
    for preset in ("none", "strong"):
        chosen = settings(preset=preset, until=0.2)
        spikes = es.simulate(build_network(chosen, brain), until=0.2, progress=False).spikes["brain"]
        reached[preset] = spread(spikes, first_spikes(spikes, brain.n), brain.cell_types, brain.select("olfactory"), 0.2)
    weak, strong = (dict(zip(found["cell_types"], found["cell_type_active"])) for found in reached.values())
    assert weak["DN-VNC"] == 0 and strong["DN-VNC"] > 50
    assert strong["MBON"] == 48 and reached["strong"]["active_neurons"] > 5 * reached["none"]["active_neurons"]
