"""REINFORCE on a corridor: one state at a time, sampled actions, gradients after the episode."""

import numpy as np

import gpunet as keras
from gpunet import ops

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
policy = keras.Sequential([keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(2)])
optimizer = keras.optimizers.Adam(learning_rate=0.02)


def play():
    position, states, actions = 2, [], []
    for _ in range(20):
        state = np.eye(6, dtype="float32")[position][None]
        probabilities = ops.softmax(policy(state))
        action = int(rng.random() < float(probabilities[0, 1]))
        states.append(state[0])
        actions.append(action)
        position += 2 * action - 1
        if position in (0, 5):
            break
    return np.array(states), np.array(actions), 1.0 if position == 5 else -1.0


rewards = []
for _ in range(150):
    states, actions, reward = play()
    with keras.GradientTape() as tape:
        log_probability = ops.log_softmax(policy(states))
        chosen = ops.take_along_axis(log_probability, actions[:, None], axis=1)
        loss = -reward * ops.sum(chosen)
    gradients = tape.gradient(loss, policy.trainable_variables)
    optimizer.apply_gradients(zip(gradients, policy.trainable_variables))
    rewards.append(reward)
assert np.mean(rewards[-40:]) > 0.8, np.mean(rewards[-40:])
