"""`Config`."""

import copy
import json
import pickle

import pytest

from gpunet.utils import Config


def test_values_by_name_and_by_attribute():
    config = Config(rate=0.1, steps=3)
    config.name, config["items"] = "a", 7
    assert (config.rate, config["name"], config["items"], len(config)) == (0.1, "a", 7, 4)
    assert list(config) == sorted(config.as_dict()) == ["items", "name", "rate", "steps"]
    assert json.loads(config.to_json()) == config.as_dict() == dict(config.items())
    config.update({"rate": 0.2}, more=1)
    del config["steps"]
    assert (config.pop("more"), config.pop("more", 5), config.get("rate"), config.get("x")) == (1, 5, 0.2, None)
    assert "name" in config
    assert repr(Config(a=1)) == "<Config {'a': 1}>"
    for made in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert made == config


def test_a_frozen_one_refuses_changes():
    config = Config(rate=0.1)
    config.freeze()
    assert config.frozen
    for change in (lambda: setattr(config, "rate", 1), lambda: config.update(a=1), lambda: config.pop("rate")):
        with pytest.raises(ValueError, match="the config is frozen"):
            change()
    config.unfreeze()
    config.rate = 2
    assert config.rate == 2


def test_unknown_and_reserved_attributes():
    config = Config(learning_rate=0.1)
    with pytest.raises(AttributeError, match="Unknown attribute: 'learning_rat'. Did you mean 'learning_rate'?"):
        _ = config.learning_rat
    with pytest.raises(AttributeError, match="Unknown attribute: 'x'.$"):
        _ = config.x
    with pytest.raises(AttributeError, match="'items' is a method or property of Config"):
        config.items = 3
