"""Callbacks: base, lists, history, early stopping, NaN, functions, and the display of progress."""

import http.server
import io
import json
import sys
import threading
import urllib.parse

import numpy as np
import pytest
import rich

import gpunet as keras
from gpunet import callbacks, layers
from gpunet.callbacks import progbar

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(12, 2)).astype("float32")


def model(**arguments):
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    made.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    return made


class Script(callbacks.Callback):
    """Puts given values into the logs of each epoch, and notes the weights then."""

    def __init__(self, name, values):
        super().__init__()
        self.name, self.values, self.weights = name, values, []

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]
        self.weights.append(self.model.get_weights())


def stopped(values, monitor="val_loss", **arguments):
    """The number of epochs that ran, and the early stopping, the script and the model."""
    script, stop, net = Script(monitor, values), callbacks.EarlyStopping(monitor, **arguments), model()
    history = net.fit(X, Y, epochs=len(values), verbose=0, callbacks=[script, stop])
    return len(history.epoch), stop, script, net


def test_early_stopping_waits_for_an_improvement():
    assert stopped([5, 4, 3, 2, 1], patience=1)[0] == 5
    assert stopped([5, 4, 4, 4, 1], patience=2)[0] == 4
    assert stopped([5, 4, 4, 3, 4, 4, 4], patience=2)[0] == 6
    assert stopped([5, 4.9, 4.8, 4.7], patience=2, min_delta=1)[0] == 3
    assert stopped([1, 2, 3, 4], patience=2, mode="max")[0] == 4
    assert stopped([1, 2, 2, 2, 2], "val_accuracy", patience=2)[0] == 4
    assert stopped([1, 2, 3, 4, 5], patience=2, start_from_epoch=2)[0] == 5
    assert stopped([9, 8, 7, 6], patience=2, baseline=1.0)[0] == 4
    assert stopped([1.5, 1.4, 1.6, 1.7, 1.8, 1.9], patience=3, baseline=1.0)[0] == 3


def test_early_stopping_restores_the_best_weights():
    epochs, stop, script, net = stopped([5, 3, 4, 4.5, 9], patience=2, restore_best_weights=True)
    assert epochs == 4
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (3, 1, 3)
    for a, b in zip(net.get_weights(), script.weights[1]):
        np.testing.assert_array_equal(a, b)
    _, _, script, net = stopped([5, 3, 4], patience=10, restore_best_weights=True)  # also where nothing stopped it
    np.testing.assert_array_equal(net.get_weights()[0], script.weights[1][0])
    _, _, script, net = stopped([5, 3, 4], patience=1)
    np.testing.assert_array_equal(net.get_weights()[0], script.weights[2][0])


def test_early_stopping_warns_of_a_missing_quantity(capsys):
    with pytest.warns(UserWarning, match="`val_loss` which is not available. Available metrics are: loss"):
        model().fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping()])
    stopped([1, 2, 3], patience=1, verbose=1, restore_best_weights=True)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 2: early stopping",
        "Restoring model weights from the end of the best epoch: 1.",
    ]


def test_early_stopping_can_be_used_again():
    stop = callbacks.EarlyStopping(monitor="loss", patience=1)
    for _ in range(2):
        net = model(optimizer=keras.optimizers.SGD(0.0))
        assert len(net.fit(X, Y, epochs=9, verbose=0, callbacks=[stop], shuffle=False).epoch) == 2


def test_terminate_on_nan(capsys):
    net = model()
    x = X.copy()
    x[4] = np.nan
    net.fit(x, Y, batch_size=2, epochs=3, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert int(net.optimizer.iterations) == 3
    assert "Batch 2: Invalid loss, terminating training" in capsys.readouterr().out


def test_stop_training_from_a_callback():
    net = model()

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.stop_training = True

    history = net.fit(X, Y, batch_size=2, epochs=5, verbose=0, callbacks=Stop())
    assert history.epoch == [0]
    assert int(net.optimizer.iterations) == 2
    net.fit(X, Y, verbose=0)
    assert int(net.optimizer.iterations) == 3


def test_history_has_python_numbers_and_what_callbacks_add():
    history = model(metrics=["mae"]).fit(X, Y, epochs=2, verbose=0, callbacks=[Script("extra", [1, 2])])
    assert list(history.history) == ["loss", "mae", "extra"]
    assert history.history["extra"] == [1, 2]
    assert all(type(v) is float for v in history.history["loss"])
    own = callbacks.History()
    assert model().fit(X, Y, verbose=0, callbacks=[own]) is own


def test_logs_of_batches_are_read_when_someone_looks():
    reads = []

    def read():
        reads.append(1)
        return {"loss": 1.0}

    logs = callbacks.LazyLogs(read)
    assert reads == []
    assert logs["loss"] == 1.0
    assert dict(logs) == {"loss": 1.0}
    assert reads == [1]
    logs["x"] = 2
    assert logs.copy() == {"loss": 1.0, "x": 2}


def test_parameters_and_model_are_set():
    spy = callbacks.Callback()
    net = model()
    net.fit(X, Y, batch_size=5, epochs=3, verbose=0, callbacks=[[spy]])
    assert spy.params == {"verbose": 0, "epochs": 3, "steps": 3}
    assert spy.model is net


def test_functions_as_callbacks():
    seen = []
    hooks = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(("epoch", epoch)),
        on_train_batch_end=lambda batch, logs: seen.append(("batch", batch, sorted(logs))),
        on_test_end=lambda logs: seen.append(("test", sorted(logs))),
        on_train_end=lambda logs: seen.append("end"),
    )
    model().fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[hooks])
    assert seen == [("epoch", 0), ("batch", 0, ["loss"]), ("test", ["loss"]), "end"]


def test_an_interrupt_goes_through_and_leaves_the_model_usable():
    class Interrupt(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    net = model()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, batch_size=2, verbose=1, callbacks=[Interrupt()])
    assert int(net.optimizer.iterations) == 2
    assert len(net.fit(X, Y, epochs=2, verbose=0).epoch) == 2


def test_lines_where_the_output_is_no_terminal(capsys):
    net = model(metrics=["mae"])
    net.fit(X, Y, batch_size=5, epochs=2, validation_data=(X, Y))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for i, line in enumerate(lines):
        parts = line.split(" - ")
        assert parts[:2] == [f"Epoch {i + 1}/2", "3/3"]
        assert parts[3].endswith("/step")
        assert [p.split(":")[0] for p in parts[4:]] == ["loss", "mae", "val_loss", "val_mae"]
    net.evaluate(X, Y, verbose=2)
    net.predict(X, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Evaluate", "Predict"]
    net.fit(X, Y, verbose=0)
    net.evaluate(X, Y, verbose=0)
    net.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_in_a_terminal(monkeypatch):
    rich.get_console()  # of somebody else's, made while there was no terminal
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(progbar, "_INTERVAL", 0.0)
    model().fit(X, Y, batch_size=4, epochs=2, verbose=1)
    text = terminal.getvalue()
    for part in ("Epoch 1/2", "Epoch 2/2", "3/3", "loss: ", "steps/s", "━"):
        assert part in text, part


def test_a_rewritten_line_in_a_notebook(monkeypatch, capsys):
    monkeypatch.setattr(progbar, "_in_notebook", lambda: True)
    monkeypatch.setattr(progbar, "_INTERVAL", 0.0)
    model().fit(X, Y, batch_size=4, verbose=1)
    out = capsys.readouterr().out
    assert out.count("\r") == 4
    assert out.endswith("\n")


def test_numbers_and_times():
    assert progbar.format_logs({"loss": 0.12345, "n": float("nan")}) == "loss: 0.1235 - n: nan"
    assert progbar.format_value(1e-4) == "1.0000e-04"
    assert [progbar.format_time(t) for t in (5e-5, 0.002, 3.14, 65, 3723)] == ["50us", "2ms", "3.1s", "1:05", "1:02:03"]


def line_model(rate=0.5, **options):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(rate, **options), "mse")
    return model


ONE = np.ones((8, 1), "float32")


def test_the_rate_of_each_epoch():
    for schedule in (lambda epoch: 0.1 * (epoch + 1), lambda epoch, rate: 0.1 if epoch == 0 else rate + 0.1):
        scheduler = callbacks.LearningRateScheduler(schedule)
        history = line_model().fit(ONE, ONE, epochs=3, verbose=0, callbacks=[scheduler]).history
        np.testing.assert_allclose(history["learning_rate"], [0.1, 0.2, 0.3], rtol=1e-5)
    with pytest.raises(ValueError, match="should be a float. Received: 'fast'"):
        line_model().fit(ONE, ONE, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: "fast")])


def test_the_rate_falls_on_a_plateau(capsys):
    values = iter([3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0])

    class Given(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["given"] = next(values)

    reduce = callbacks.ReduceLROnPlateau("given", 0.5, patience=2, mode="min", cooldown=1, min_lr=0.2, verbose=1)
    history = line_model().fit(ONE, ONE, epochs=9, verbose=0, callbacks=[Given(), reduce]).history
    rates = [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]
    np.testing.assert_allclose(history["learning_rate"], rates, rtol=1e-6)
    assert "Epoch 4: ReduceLROnPlateau reducing learning rate to 0.25." in capsys.readouterr().out
    with pytest.raises(ValueError, match="factor >= 1.0. Received: factor=1.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.warns(UserWarning, match="conditioned on metric `nothing` which is not available"):
        line_model().fit(ONE, ONE, verbose=0, callbacks=[callbacks.ReduceLROnPlateau("nothing")])


def test_logs_in_a_file(tmp_path):
    path = tmp_path / "log.csv"
    first = line_model().fit(ONE, ONE, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path, separator=";")])
    lines = path.read_text().split()
    assert lines[0] == "epoch;loss;val_loss"
    assert [line.split(";") for line in lines[1:]] == [
        [str(epoch), str(loss), "NA"] for epoch, loss in enumerate(first.history["loss"])
    ]
    again = callbacks.CSVLogger(path, separator=";", append=True)
    line_model().fit(ONE, ONE, validation_data=(ONE, ONE), verbose=0, callbacks=[again])
    assert len(path.read_text().split()) == 4
    line_model().fit(ONE, ONE, verbose=0, callbacks=[callbacks.CSVLogger(path)])
    assert len(path.read_text().split()) == 2


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_averages_stand_in_while_evaluating(swap_on_epoch):
    model = line_model(0.1, use_ema=True, ema_momentum=0.5)
    seen = []

    class Look(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            average = float(self.model.optimizer._average.pairs[0][1])
            seen.append((float(self.model.layers[-1].kernel), average))

    swap = callbacks.SwapEMAWeights(swap_on_epoch)
    model.fit(ONE, ONE, batch_size=4, epochs=3, verbose=0, validation_data=(ONE, ONE), callbacks=[swap, Look()])
    for kernel, average in seen[:2]:
        assert 0 < kernel < average  # the weights go up to 1, their averages behind them
    if swap_on_epoch:
        assert float(model.layers[-1].kernel) == float(model.optimizer._average.pairs[0][1])
    with pytest.raises(ValueError, match="Received: use_ema=False"):
        line_model().fit(ONE, ONE, verbose=0, validation_data=(ONE, ONE), callbacks=[callbacks.SwapEMAWeights()])


class Server(http.server.BaseHTTPRequestHandler):
    """Notes what it is sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.seen.append((self.path, self.headers["Content-Type"], self.headers["X-Key"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_logs_sent_to_a_server():
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        root = f"http://127.0.0.1:{server.server_port}"
        for as_json in (True, False):
            monitor = callbacks.RemoteMonitor(root, headers={"X-Key": "k"}, send_as_json=as_json)
            script = Script("list", [np.arange(2)])
            history = model().fit(X, Y, verbose=0, callbacks=[script, monitor]).history
        server.shutdown()
        thread.join()
    expected = {"epoch": 0, "loss": history["loss"][0], "list": [0, 1]}
    (path, kind, key, body), (_, form, _, fields) = server.seen
    assert (path, kind, key, form) == (
        "/publish/epoch/end/",
        "application/json",
        "k",
        "application/x-www-form-urlencoded",
    )
    assert json.loads(body) == json.loads(urllib.parse.parse_qs(fields)["data"][0]) == expected
    with pytest.warns(UserWarning, match=f"Could not reach RemoteMonitor root server at {root}"):
        model().fit(X, Y, verbose=0, callbacks=[callbacks.RemoteMonitor(root)])


def test_what_is_better_is_what_the_metric_says():
    two = keras.Input((3,))
    net = keras.Model(two, {"a": layers.Dense(2, name="a")(two), "b": layers.Dense(2, name="b")(two)})
    own = keras.metrics.MeanMetricWrapper(lambda y, p: keras.ops.mean(p, axis=-1), name="own")
    net.compile("sgd", "mse", metrics={"a": ["mae", keras.metrics.R2Score(name="fit"), own], "b": ["mse"]})
    net.fit(X, {"a": Y, "b": Y}, verbose=0)
    up, down = ("val_a_fit", "val_acc"), ("loss", "val_a_loss", "a_mae", "b_mse")
    for name in (*up, *down):
        monitor = callbacks.MonitorCallback(name)
        monitor.set_model(net)
        assert monitor._is_improvement(2.0, 1.0) == (name in up), name
        assert monitor._is_improvement(1.0, None)
    monitor = callbacks.MonitorCallback("a_own")
    monitor.set_model(net)
    with pytest.raises(ValueError, match="MonitorCallback callback received monitor=a_own.*Pass `mode='max'`"):
        monitor._is_improvement(2.0, 1.0)
    with pytest.warns(UserWarning, match="EarlyStopping mode 'odd' is unknown, fallback to auto mode"):
        assert callbacks.EarlyStopping(mode="odd").mode == "auto"
    close = callbacks.MonitorCallback("x", "max", min_delta=0.5)
    assert close._is_improvement(0.75, 0)
    assert not close._is_improvement(0.5, 0)


def test_nan_as_an_error():
    x = X.copy()
    x[4] = np.nan
    with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 2. Loss value: nan"):
        model().fit(x, Y, batch_size=2, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN(True)])


def test_a_list_of_callbacks_for_a_loop_of_ones_own():
    seen = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    net = model()
    hooks = callbacks.CallbackList([note], add_history=True, model=net, epochs=2, verbose=0)
    hooks.append(callbacks.LambdaCallback(on_train_end=lambda logs: seen.append("end")))
    hooks.on_train_begin()
    for epoch in range(2):
        hooks.on_epoch_end(epoch, logs={"loss": float(epoch)})
    hooks.on_train_end()
    assert seen == [0, 1, "end"]
    assert net.history.history == {"loss": [0.0, 1.0]}
    assert net.fit(X, Y, verbose=0, callbacks=hooks) is net.history
    assert seen[3:] == [0, "end"]
    with pytest.raises(TypeError, match="callbacks must be Callback objects"):
        callbacks.CallbackList([callbacks.Callback])
