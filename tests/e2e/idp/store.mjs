// Where the provider keeps what it knows: one map for all of its models, which outlives a change of keys.

export class Store {
  #kept = new Map(); // "Model:id" -> { payload, until }

  // oidc-provider asks for one adapter a model.
  adapter = (model) => new Adapter(this, model);

  get(key) {
    const found = this.#kept.get(key);
    if (found && found.until < Date.now()) this.#kept.delete(key);
    return this.#kept.get(key)?.payload;
  }

  set(key, payload, seconds) {
    this.#kept.set(key, { payload, until: seconds ? Date.now() + seconds * 1000 : Infinity });
  }

  delete(key) {
    this.#kept.delete(key);
  }

  // [id, payload] of all that a model keeps.
  all(model) {
    return [...this.#kept.keys()]
      .filter((key) => key.startsWith(`${model}:`))
      .map((key) => [key.slice(model.length + 1), this.get(key)])
      .filter(([, payload]) => payload);
  }

  clear() {
    this.#kept.clear();
  }

  keys() {
    return [...this.#kept.keys()];
  }
}

class Adapter {
  constructor(store, model) {
    this.store = store;
    this.model = model;
  }

  #key(id) {
    return `${this.model}:${id}`;
  }

  async find(id) {
    return this.store.get(this.#key(id));
  }

  async findByUid(uid) {
    return this.store.all(this.model).map(([, payload]) => payload).find((payload) => payload.uid === uid);
  }

  async upsert(id, payload, seconds) {
    this.store.set(this.#key(id), payload, seconds);
  }

  async consume(id) {
    this.store.get(this.#key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.store.delete(this.#key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of this.store.keys()) {
      if (this.store.get(key)?.grantId === grantId) this.store.delete(key);
    }
  }
}
