"""A transformer block on token sequences, with the masks of an embedding, as the Keras example writes it."""

import numpy as np

import gpunet as keras
from gpunet import layers, ops


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1):
        super().__init__()
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs):
        attn_output = self.att(inputs, inputs)
        attn_output = self.dropout1(attn_output)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.ffn(out1)
        ffn_output = self.dropout2(ffn_output)
        return self.layernorm2(out1 + ffn_output)


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim):
        super().__init__()
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        maxlen = ops.shape(x)[-1]
        positions = ops.arange(start=0, stop=maxlen, step=1)
        positions = self.pos_emb(positions)
        x = self.token_emb(x)
        return x + positions


keras.utils.set_random_seed(3)
vocab_size, maxlen = 12, 10
rng = np.random.default_rng(0)
x = rng.integers(1, vocab_size, (500, maxlen))
y = (x[:, 0] == x[:, -1]).astype("int32") | (x.max(1) == vocab_size - 1)  # needs a look at several steps

inputs = layers.Input(shape=(maxlen,))
h = TokenAndPositionEmbedding(maxlen, vocab_size, 16)(inputs)
h = TransformerBlock(16, 2, 32)(h)
h = layers.GlobalAveragePooling1D()(h)
outputs = layers.Dense(2, activation="softmax")(layers.Dropout(0.1)(h))
model = keras.Model(inputs=inputs, outputs=outputs)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x[:400], y[:400], batch_size=50, epochs=8, verbose=0, validation_data=(x[400:], y[400:]))
print(f"accuracy {history.history['val_accuracy'][-1]:.2f}")
assert history.history["val_accuracy"][-1] > 0.8

masked = layers.Embedding(vocab_size, 8, mask_zero=True)(np.array([[3, 4, 0, 0]]))
decoder = layers.MultiHeadAttention(2, 4)
out, scores = decoder(masked, masked, use_causal_mask=True, return_attention_scores=True)
assert np.asarray(scores)[0, :, 0, 1:].max() == 0  # nothing looks ahead
assert np.asarray(scores)[0, :, :, 2:].max() == 0  # or at what is not there
