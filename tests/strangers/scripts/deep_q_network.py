"""DQN with replay and a target network on a corridor; actions that the taken mask selects are trained."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
PLACES, ACTIONS, GAMMA = 6, 2, 0.9  # left and right; the reward waits at the right end


def q_network():
    inputs = layers.Input((PLACES,))
    return keras.Model(inputs, layers.Dense(ACTIONS)(layers.Dense(24, activation="relu")(inputs)))


def step(place, action):
    place = max(0, place + (1 if action else -1))
    done = place == PLACES - 1
    return place, float(done), done


model, target = q_network(), q_network()
target.set_weights(model.get_weights())
optimizer = keras.optimizers.Adam(learning_rate=0.01, clipnorm=1.0)
loss_function = keras.losses.Huber()
seen = np.eye(PLACES, dtype="float32")
memory, updates = [], 0
for episode in range(25):
    place, done, steps = 0, False, 0
    while not done and steps < 30:
        if rng.random() < max(0.1, 1 - episode / 10):
            action = int(rng.integers(ACTIONS))
        else:
            action = int(ops.argmax(model(ops.expand_dims(seen[place], 0), training=False)[0]))
        next_place, reward, done = step(place, action)
        memory.append((place, action, reward, next_place, done))
        place, steps = next_place, steps + 1
        if len(memory) < 32:
            continue
        drawn = [memory[i] for i in rng.integers(len(memory), size=32)]
        places, actions, rewards, next_places, dones = map(np.array, zip(*drawn))
        future = target.predict_on_batch(seen[next_places])
        wanted = (rewards + GAMMA * future.max(axis=1) * (1 - dones)).astype("float32")
        masks = ops.one_hot(actions, ACTIONS)
        with keras.GradientTape() as tape:
            q_action = ops.sum(ops.multiply(model(seen[places]), masks), axis=1)
            loss = loss_function(wanted, q_action)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        updates += 1
        if updates % 10 == 0:
            target.set_weights(model.get_weights())

values = model.predict(seen[:-1], verbose=0)
assert (values.argmax(1) == 1).all(), values
np.testing.assert_allclose(values.max(1), GAMMA ** np.arange(PLACES - 2, -1, -1), atol=0.15)
