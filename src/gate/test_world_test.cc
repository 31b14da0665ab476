#include "gate/test_world.h"

#include "access/api_key.h"
#include "http1/codec.h"

namespace gate::test {
namespace {

auth::RuleSpec rule(std::string name, std::vector<auth::OnSpec> on) {
  auth::RuleSpec spec;
  spec.name = std::move(name);
  spec.on = std::move(on);
  return spec;
}

std::shared_ptr<const auth::RuleSet> compile(std::vector<auth::RuleSpec> specs, auth::RuleOwner owner) {
  std::vector<std::string> providers{"robots", "staff"};
  auto rules = auth::compile_rules({.rules = specs, .owner = owner, .provider_names = providers});
  if (!rules) ADD_FAILURE() << rules.error()[0].message;
  return *rules;
}

std::string header_of(const std::string& head, std::string_view name) {
  http::RequestHead parsed;
  if (!http1::parse_request_head(head, {}, parsed)) return "";
  const http::Header* header = parsed.headers.find(name);
  return header != nullptr ? std::string(header->value) : "";
}

}  // namespace

std::string field(const std::string& record, const std::string& key) {
  size_t at = record.find("\"" + key + "\":");
  if (at == record.npos) return "";
  at += key.size() + 3;
  bool quoted = record[at] == '"';
  size_t end = record.find_first_of(quoted ? "\"" : ",}", at + 1);
  return record.substr(at + quoted, end - at - quoted);
}

Backend::Backend(io::SimWorld& sim, uint8_t number, std::vector<Seen>& seen)
    : sim_(sim), number_(number), seen_(seen), listener_(sim.network.listen(io::sim_address(number, 9000))) {
  accepting_.spawn(accept_all());
}

io::Task<> Backend::accept_all() {
  for (;;) {
    io::Address peer;
    int error = 0;
    while (auto stream = listener_->accept(peer, error)) scope_.spawn(serve(std::move(stream)));
    co_await io::wait_for(sim_.loop, base::kNever, listener_->acceptable);
  }
}

// False: nothing more will come.
io::Task<bool> Backend::fill(io::Stream& stream, std::string& bytes) {
  std::array<char, 4096> into;
  for (;;) {
    io::IoResult got = stream.read(into);
    if (got.kind == io::IoResult::Kind::bytes) {
      bytes.append(into.data(), got.count);
      co_return true;
    }
    if (got.kind != io::IoResult::Kind::would_block) co_return false;
    co_await io::wait_for(sim_.loop, base::kNever, stream.readable());
  }
}

io::Task<> Backend::send(io::Stream& stream, std::string bytes) {
  std::string_view left = bytes;
  while (!left.empty()) {
    iovec piece{const_cast<char*>(left.data()), left.size()};
    io::IoResult sent = stream.write({&piece, 1});
    if (sent.kind == io::IoResult::Kind::failed) co_return;
    left.remove_prefix(sent.count);
    if (sent.kind == io::IoResult::Kind::would_block)
      co_await io::wait_for(sim_.loop, base::kNever, stream.writable());
  }
}

io::Task<bool> Backend::read_head(io::Stream& stream, std::string& bytes, std::string& head) {
  for (;;) {
    if (auto end = http1::find_head_end(bytes, 0)) {
      head = bytes.substr(0, *end);
      bytes.erase(0, *end);
      co_return true;
    }
    if (!co_await fill(stream, bytes)) co_return false;
  }
}

io::Task<> Backend::read_body(io::Stream& stream, std::string& bytes, Seen& seen) {
  http::RequestHead head;
  if (!http1::parse_request_head(seen.head, {}, head)) {
    ADD_FAILURE() << "the gate sent a request that cannot be parsed: " << seen.head;
    co_return;
  }
  std::string body;
  size_t index = static_cast<size_t>(&seen - seen_.data());  // the vector may move while we wait
  if (head.body.kind == http::BodyLength::Kind::sized) {
    while (bytes.size() < head.body.bytes) {
      if (!co_await fill(stream, bytes)) co_return;
    }
    body = bytes.substr(0, head.body.bytes);
    bytes.erase(0, head.body.bytes);
  } else if (head.body.kind == http::BodyLength::Kind::chunked) {
    http1::ChunkedDecoder decoder(base::Side::client);
    for (;;) {
      auto step = decoder.decode(bytes);
      if (!step) {
        ADD_FAILURE() << "the gate sent chunks that cannot be decoded";
        co_return;
      }
      body += step->data;
      bool nothing = step->consumed == 0;
      bytes.erase(0, step->consumed);
      if (step->done) {
        seen_[index].trailers = decoder.trailers();
        break;
      }
      if (nothing && !co_await fill(stream, bytes)) co_return;
    }
  }
  seen_[index].body = body;
  seen_[index].whole = true;
}

io::Task<> Backend::serve(std::unique_ptr<io::Stream> stream) {
  std::string bytes;
  for (;;) {
    std::string head;
    if (!co_await read_head(*stream, bytes, head)) co_return;
    size_t index = seen_.size();
    seen_.push_back({.backend = number_, .head = head});
    std::string what = header_of(head, "X-Do");
    if (what != "early" && what != "early-close" && what != "continue") {
      co_await read_body(*stream, bytes, seen_[index]);
      if (!seen_[index].whole) co_return;
    }
    Next next = co_await answer(*stream, bytes, index, what);
    if (next == Next::reset) stream->reset_on_close();
    if (next != Next::another) co_return;
  }
}

io::Task<Backend::Next> Backend::answer(io::Stream& stream, std::string& bytes, size_t index,
                                        std::string what) {
  std::string body = "hello from " + std::to_string(number_);
  bool head_only = seen_[index].head.starts_with("HEAD ");
  std::string sized = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + (head_only ? "" : body);
  std::string usual =
      "HTTP/1.1 200 OK\r\nX-Backend: yes\r\nConnection: X-Internal\r\nX-Internal: 1\r\n" + sized;
  if (what == "chunked") {
    co_await send(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
  } else if (what == "bare") {
    co_await send(stream, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    co_return Next::close;
  } else if (what == "empty") {
    co_await send(stream, "HTTP/1.1 204 No Content\r\n\r\n");
  } else if (what == "hints") {
    co_await send(stream,
                  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: "
                  "__Host-gatehouse.session.staff=x\r\nContent-Length: 0\r\n\r\n" +
                      usual);
  } else if (what == "garbage") {
    co_await send(stream, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
  } else if (what == "huge-head") {
    co_await send(stream, "HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x') + "\r\n\r\n");
  } else if (what == "incomplete") {
    co_await send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    co_return Next::close;
  } else if (what == "cut-chunk") {
    co_await send(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nonly this");
    co_return Next::close;
  } else if (what == "silent") {
    while (co_await fill(stream, bytes)) {
    }
    co_return Next::close;
  } else if (what == "stall") {
    co_await send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    while (co_await fill(stream, bytes)) {
    }
    co_return Next::close;
  } else if (what == "close") {
    co_return Next::close;
  } else if (what == "reset") {
    co_return Next::reset;
  } else if (what == "early") {
    co_await send(stream, usual);
    co_await read_body(stream, bytes, seen_[index]);
  } else if (what == "early-close") {
    co_await send(stream,
                  "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    stream.shutdown_write();
    while (co_await fill(stream, bytes)) bytes.clear();
    co_return Next::close;
  } else if (what == "continue") {
    co_await send(stream, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await read_body(stream, bytes, seen_[index]);
    co_await send(stream, usual);
  } else if (what == "leave") {
    co_await send(stream, usual);
    co_return Next::close;
  } else if (what.starts_with("switch")) {
    co_await send(stream, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " +
                              std::string(what == "switch-unasked" ? "whisper" : "shout") + "\r\n\r\nready ");
    if (what == "switch-half") stream.shutdown_write();
    for (int i = 0; what == "switch-tick" && i < 5; ++i) {
      co_await io::sleep_for(sim_.loop, base::seconds(3000));
      co_await send(stream, "tick ");
    }
    while (co_await fill(stream, bytes)) {
    }
    seen_[index].body = bytes;
    if (what == "switch" || what == "switch-tick") co_await send(stream, "heard " + bytes);
    co_return Next::close;
  } else if (what == "slow") {
    co_await io::sleep_for(sim_.loop, base::seconds(5));
    co_await send(stream, usual);
  } else {
    co_await send(stream, usual);
  }
  co_return Next::another;
}

Client::Client(io::SimWorld& sim, uint8_t number, uint16_t port) : sim_(sim) {
  int error = 0;
  stream_ = sim.network.connect_from(io::sim_address(number, 40'000), io::sim_address(1, port), error);
  if (stream_ == nullptr) {
    ending = "refused";
    return;
  }
  scope_.spawn(run());
  scope_.spawn(receive());
}

void Client::send(std::string bytes) {
  to_send_ += bytes;
  more_.fire();
}
void Client::half_close() {
  close_after_ = true;
  more_.fire();
}
void Client::leave_by_reset() {
  if (stream_ == nullptr) return;
  scope_.cancel_all();
  stream_->reset_on_close();
  stream_.reset();
  ending = "left";
}

io::Task<> Client::run() {
  int error = 0;
  while ((error = stream_->connect_error()) == EINPROGRESS) {
    co_await io::wait_for(sim_.loop, base::kNever, stream_->writable());
  }
  if (error != 0) co_return;
  for (;;) {
    if (to_send_.empty()) {
      if (std::exchange(close_after_, false)) stream_->shutdown_write();
      co_await io::wait_for(sim_.loop, base::kNever, more_);
      continue;
    }
    iovec piece{to_send_.data(), to_send_.size()};
    io::IoResult sent = stream_->write({&piece, 1});
    if (sent.kind == io::IoResult::Kind::failed) co_return;
    to_send_.erase(0, sent.count);
    if (sent.kind == io::IoResult::Kind::would_block) {
      co_await io::wait_for(sim_.loop, base::kNever, stream_->writable());
    }
  }
}

io::Task<> Client::receive() {
  std::array<char, 5000> bytes;
  while (ending.empty()) {
    io::IoResult got = stream_->read(bytes);
    if (got.kind == io::IoResult::Kind::bytes) received.append(bytes.data(), got.count);
    if (got.kind == io::IoResult::Kind::end) ending = "end";
    if (got.kind == io::IoResult::Kind::failed) ending = "reset";
    if (got.kind == io::IoResult::Kind::would_block) {
      co_await io::wait_for(sim_.loop, base::kNever, stream_->readable());
    }
  }
}

GateWorld::GateWorld(uint64_t seed, io::SimWeather* weather)
    : sim(seed), random(seed + 1), replays(random, 1024) {
  sim.network.set_weather(weather);
  for (uint8_t number : {10, 11, 12}) backends[number] = std::make_unique<Backend>(sim, number, seen);
  key = auth::make_api_key(random);
  worker = std::make_unique<Worker>(WorkerParts{
      .loop = sim.loop, .network = sim.network, .random = random, .control = control, .replays = replays});
  worker->set_access_log(AccessLog::on);
  serve({{.path = "/a"}});
  worker->add_listener(0, sim.network.listen(io::sim_address(1, 80)));
}

GateWorld::~GateWorld() {
  worker.reset();
  backends.clear();
}

void GateWorld::serve(std::vector<ServiceSetup> setups, std::function<void(Snapshot&)> adjust) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = ++generation;

  auth::ProviderSpec robots;
  robots.name = "robots";
  robots.api_keys.emplace();
  robots.api_keys->keys.push_back(
      {.id = "k1", .digest = auth::api_key_digest(key), .owner = "crawler", .scopes = {"read"}});
  auth::ProviderSpec staff;
  staff.name = "staff";
  staff.oidc.emplace();
  staff.oidc->issuer = "https://id.example";
  staff.oidc->client.id = "gate";
  staff.oidc->label = "Our staff";
  staff.oidc->algorithms = {crypto::Algorithm::es256};
  std::array<auth::ProviderSpec, 2> specs = {std::move(robots), std::move(staff)};
  auto providers = auth::compile_providers(specs, nullptr);
  if (!providers) ADD_FAILURE() << providers.error()[0].message;
  snapshot->providers = *providers;
  snapshot->sealer = sealer;
  static const auto signing_key = crypto::SigningKey::generate(crypto::Algorithm::es256);
  snapshot->signer = std::make_shared<auth::AssertionSigner>(
      auth::AssertionSigner::Setup{.key = *signing_key, .issuer = "https://gate.example"});
  auth::RuleSpec banned = rule("nobody bans", {{.path = "/banned"}});
  banned.effect = auth::Effect::deny;
  banned.who.anyone = true;
  std::vector<auth::RuleSpec> gate_rules;
  gate_rules.push_back(std::move(banned));
  snapshot->gate_rules = compile(std::move(gate_rules), auth::RuleOwner::gate);
  snapshot->gate_rule_places = {"gatehouse.yaml:1:1"};
  snapshot->listeners.push_back({.name = ":80"});

  std::vector<routing::RouteSpec> routes;
  routes.reserve(setups.size());
  std::vector<routing::ServiceRoutes> tables;
  for (uint32_t slot = 0; slot < setups.size(); ++slot) {
    const ServiceSetup& setup = setups[slot];
    auto service = std::make_shared<Service>();
    service->name = setup.path.substr(1);
    service->slot = slot;
    service->generation = service->backends_generation = generation;
    auto endpoints = std::make_shared<backends::EndpointList>();
    for (uint8_t number : setup.backends) {
      io::Address at = io::sim_address(number, 9000);
      endpoints->push_back(
          {.address = at, .text = io::format_address(at), .authority = "backend" + std::to_string(number)});
    }
    service->endpoints = endpoints;
    service->connect_timeout = base::seconds(3);
    service->response_timeout = base::seconds(10);
    std::vector<auth::RuleSpec> rules;
    rules.push_back(rule("open", {{.path = setup.path + "/open"}}));
    rules.back().who.anyone = true;
    rules.push_back(rule("secret", {{.path = setup.path + "/secret"}}));
    rules.back().who.providers = {"robots"};
    rules.back().who.scopes = {"read"};
    rules.push_back(rule("write", {{.path = setup.path + "/write"}}));
    rules.back().who.scopes = {"write"};
    rules.push_back(rule("strong", {{.path = setup.path + "/strong"}}));
    rules.back().who.providers = {"staff"};
    rules.back().who.acr = {"urn:mfa"};
    rules.back().who.max_age = base::seconds(900);
    rules.push_back(rule("people", {{.path = setup.path + "/people"}}));
    rules.back().who.providers = {"staff"};
    service->rules = compile(std::move(rules), auth::RuleOwner::service);
    service->rule_places = {"a.yaml:1:1", "a.yaml:2:1", "a.yaml:3:1", "a.yaml:4:1", "a.yaml:5:1"};
    if (setup.adjust) setup.adjust(*service);
    routing::RouteSpec route;
    route.path = *routing::PathPattern::parse(setup.path);
    routes.push_back(std::move(route));
    tables.push_back({.service = slot, .routes = {&routes.back(), 1}});
    snapshot->services.push_back(std::move(service));
  }
  auto table = routing::Table::compile(tables);
  if (!table) ADD_FAILURE() << "routes";
  snapshot->routes = std::move(*table);
  if (adjust) adjust(*snapshot);
  worker->apply(std::move(snapshot));
}

std::vector<std::string> GateWorld::records() {
  std::vector<std::string> lines;
  for (;;) {
    std::span<const char> waiting = worker->log_ring().peek();
    if (waiting.empty()) return lines;
    std::string_view text(waiting.data(), waiting.size());
    while (!text.empty()) {
      size_t end = text.find('\n');
      lines.emplace_back(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    worker->log_ring().release(waiting.size());
  }
}

std::string GateWorld::ask(const std::string& request, base::Duration patience) {
  Client client(sim);
  client.send(request);
  client.half_close();
  sim.run_until([&] { return client.ended(); }, patience);
  return client.received;
}

}  // namespace gate::test
