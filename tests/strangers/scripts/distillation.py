"""Knowledge distillation: a `compute_loss` of one's own around two models."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops
from gpunet.datasets import digits

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train.reshape(-1, 64) / np.float32(16), x_test.reshape(-1, 64) / np.float32(16)


class Distiller(keras.Model):
    def __init__(self, student, teacher):
        super().__init__()
        self.teacher = teacher
        self.student = student

    def compile(self, optimizer, metrics, student_loss_fn, distillation_loss_fn, alpha=0.1, temperature=3):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn = student_loss_fn
        self.distillation_loss_fn = distillation_loss_fn
        self.alpha = alpha
        self.temperature = temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False):
        teacher_pred = self.teacher(x, training=False)
        student_loss = self.student_loss_fn(y, y_pred)
        distillation_loss = self.distillation_loss_fn(
            ops.softmax(teacher_pred / self.temperature, axis=1), ops.softmax(y_pred / self.temperature, axis=1)
        ) * (self.temperature**2)
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss

    def call(self, x):
        return self.student(x)


teacher = keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10)])
student = keras.Sequential([keras.Input((64,)), layers.Dense(12, "relu"), layers.Dense(10)])
teacher.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
teacher.fit(x_train, y_train, epochs=8, verbose=0)
kept = teacher.get_weights()
teacher.trainable = False

distiller = Distiller(student, teacher)
distiller.compile(
    optimizer=keras.optimizers.Adam(0.005),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
    student_loss_fn=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    distillation_loss_fn=keras.losses.KLDivergence(),
)
history = distiller.fit(x_train, y_train, epochs=8, verbose=0)
assert history.history["loss"][-1] < history.history["loss"][0] / 2
assert distiller.evaluate(x_test, y_test, verbose=0, return_dict=True)["sparse_categorical_accuracy"] > 0.85
for a, b in zip(kept, teacher.get_weights()):
    np.testing.assert_array_equal(a, b)
