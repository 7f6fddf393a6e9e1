/** A worker that serves a small model; its name says which, and how it behaves. */
import { OutriderError } from "../../../src/core/errors.ts";
import { functionModel, serveModel } from "../../../src/decode/mod.ts";
import { hashLogits } from "../mock_models.ts";
import { openTiny } from "../tiny_llama.ts";

const small = functionModel({ vocabulary: 5, contextLength: 64, logits: hashLogits(1, 5) });

if (self.name === "tiny") {
  serveModel(self, () => Promise.resolve(openTiny({ firstSlots: 4 }).model));
}

if (self.name === "cannot load") {
  serveModel(self, () => Promise.reject(new OutriderError("a model", "none", "name one")));
}

if (self.name === "crashes") {
  const crash = (): Promise<never> => {
    setTimeout(() => {
      throw new Error("crashed");
    });
    return new Promise(() => {});
  };
  serveModel(self, () => Promise.resolve({ ...small, forward: crash }));
}

/** Counts passes as they begin, in shared memory, where a blocked thread can see it. */
if (self.name === "counts") {
  const shared = Promise.withResolvers<Int32Array>();
  addEventListener("message", ({ data }) => {
    if (data instanceof Int32Array) shared.resolve(data);
  });
  serveModel(self, async () => {
    const words = await shared.promise;
    return {
      ...small,
      forward: (cache, tokens, wanted) => {
        Atomics.add(words, 0, 1);
        Atomics.notify(words, 0);
        return small.forward(cache, tokens, wanted);
      },
    };
  });
}
