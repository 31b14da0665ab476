#include "control/server.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <latch>
#include <thread>

#include "base/bytes.h"
#include "control/expiry.h"
#include "io/socket.h"

namespace control {
namespace {

// Changes that come together, such as a checkout of many files, make one generation.
constexpr base::Duration kSettle = base::milliseconds(4);
// A definition that is gone may be on its way back: folders are swapped and files replaced in two steps.
constexpr base::Duration kGoneSettle = base::milliseconds(40);
// How long a session ticket's key seals; tickets live two to three times that.
constexpr base::Duration kTicketKeyAge = base::seconds(3600);
constexpr base::Duration kSessionKeysLook = base::seconds(3600);
constexpr base::Duration kDay = base::seconds(24 * 3600);

// Every connection is two descriptors; the soft limit many systems set is far below what the hard one allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The share of each worker of the client connections that may be open. Each may need a backend connection
// too, and something has to be left for files, listeners and the admin listener.
uint32_t connections_of_worker(uint32_t configured, size_t workers) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
  uint64_t descriptors = std::min<uint64_t>(limit.rlim_cur, UINT32_MAX);
  uint64_t reserved = std::min<uint64_t>(512 + 128 * workers, descriptors / 4);
  uint64_t possible = descriptors - reserved;
  uint64_t all = configured != 0 ? std::min<uint64_t>(configured, possible) : possible / 2;
  return static_cast<uint32_t>(std::max<uint64_t>(all / workers, 1));
}

config::Diagnostic problem_at(const base::Source& source, std::string key, std::string message) {
  return {.severity = config::Severity::error,
          .source = source,
          .key = std::move(key),
          .message = std::move(message)};
}

io::Address to_io_address(const config::Address& address) {
  io::Address out;
  if (!address.unix_path.empty()) {
    out.kind = io::Address::Kind::unix_path;
    out.path = address.unix_path;
    return out;
  }
  out.port = address.port;
  if (auto ip = base::parse_ip(address.host)) {
    out.ip = *ip;
  } else if (address.host == "localhost") {
    out.ip = *base::parse_ip("127.0.0.1");
  } else {
    out.ip.v6 = true;  // "::" takes IPv4 as well
  }
  return out;
}

// Lines of JSON, unless a person looks on or wants the other form.
LogForm log_form(const config::AccessLogSettings& settings) {
  using Form = config::AccessLogSettings::Form;
  bool terminal = isatty(STDOUT_FILENO) == 1;
  if (settings.to != config::AccessLogSettings::To::standard_output || settings.form == Form::json ||
      (settings.form == Form::chosen_by_terminal && !terminal)) {
    return LogForm::json;
  }
  const char* no_colour = std::getenv("NO_COLOR");
  bool coloured = terminal && (no_colour == nullptr || *no_colour == '\0');
  return coloured ? LogForm::coloured_text : LogForm::text;
}

bool is_local(const io::Address& address) {
  if (address.kind == io::Address::Kind::unix_path) return true;
  static const base::Network kLoopback4 = *base::parse_network("127.0.0.0/8");
  static const base::Network kLoopback6 = *base::parse_network("::1/128");
  return base::contains(kLoopback4, address.ip) || base::contains(kLoopback6, address.ip);
}

}  // namespace

Server::Server(io::Loop& loop, ServerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      mailbox_(loop),
      files_(options_.folder),
      loader_(files_, options_.environment),
      ticket_keys_(std::make_shared<tls::TicketKeys>(random_)),
      compiler_(loop.clock(), ticket_keys_),
      identity_key_(options_.folder, random_),
      started_(loop.now()),
      resolver_(io::make_dns_resolver(loop)),
      fetcher_({.loop = loop, .mailbox = mailbox_, .machine_roots = {}}),
      keys_({.loop = loop, .fetcher = fetcher_, .files = files_, .publisher = *this}),
      logins_({.loop = loop,
               .mailbox = mailbox_,
               .random = random_,
               .fetcher = fetcher_,
               .keys = keys_,
               .folder = options_.folder,
               .issuers = *this,
               .sessions = *this}),
      names_(loop, *resolver_, *this),
      watcher_(loop, options_.folder),
      admin_(loop, *this) {}

Server::~Server() {
  tasks_.cancel_all();
  log_.stop();  // the rings belong to the workers
  workers_.clear();
}

int Server::run() {
  raise_descriptor_limit();
  // Whoever reads the access log or the messages may go; so may an issuer in the middle of a fetch.
  std::signal(SIGPIPE, SIG_IGN);
  signals_ = io::SignalListener::make(loop_);  // before any thread, so that all have the signals blocked
  if (signals_ == nullptr || !start()) return 2;
  tasks_.spawn(deliver_mail());
  tasks_.spawn(watch_files());
  tasks_.spawn(watch_signals());
  tasks_.spawn(keys_.run());
  tasks_.spawn(logins_.keep_issuers());
  tasks_.spawn(rotate_ticket_keys());
  tasks_.spawn(renew_session_keys());
  tasks_.spawn(warn_of_expiry());
  ready_ = true;
  write_ready_file();
  spdlog::info("serving {}, environment {}: {}", options_.folder, options_.environment,
               describe_generation());
  loop_.run();
  log_.stop();
  workers_.clear();
  for (const ListenerEntry& entry : listeners_) {
    if (!entry.unix_path.empty()) unlink(entry.unix_path.c_str());
  }
  if (!options_.ready_file.empty()) unlink(options_.ready_file.c_str());
  spdlog::info("stopped");
  return 0;
}

bool Server::start() {
  config::LoadedGate loaded = loader_.load();
  if (!loaded.loaded()) {
    std::fputs(
        config::format_text(loaded.diagnostics, isatty(2) ? config::Style::coloured : config::Style::plain)
            .c_str(),
        stderr);
    return false;
  }
  uint32_t count =
      loaded.gate->workers != 0 ? loaded.gate->workers : std::max(1u, std::thread::hardware_concurrency());
  replays_ = std::make_unique<auth::ReplayGuard>(random_, count * auth::ReplayGuard::kEntriesPerCore);
  for (uint32_t i = 0; i < count; ++i) {
    auto worker = WorkerThread::start(i, *this, *replays_);
    if (worker == nullptr) {
      spdlog::error("worker {} cannot be started: no descriptor for its loop", i);
      return false;
    }
    log_.add_ring(worker->worker().log_ring());
    workers_.push_back(std::move(worker));
  }
  log_.start();
  if (!take(std::move(loaded), loop_.now())) return false;
  // A listener that cannot be had is refused alone on reload, but a gate without any has nothing to do.
  bool refused_listener = listeners_.size() < current_.loaded.gate->listeners.size();
  if (refused_listener || admin_bound_.empty()) return false;
  if (current_.snapshot->signer == nullptr)
    return false;  // backends would be called without the assertion they check

  std::latch applied(std::ssize(workers_));
  for (auto& worker : workers_) worker->post([&applied] { applied.count_down(); });
  applied.wait();
  return true;
}

io::Task<> Server::deliver_mail() {
  for (;;) {
    mailbox_.deliver();
    co_await io::wait_for(loop_, base::kNever, mailbox_.arrived());
  }
}

io::Task<> Server::rotate_ticket_keys() {
  for (;;) {
    co_await io::sleep_for(loop_, kTicketKeyAge);
    ticket_keys_->rotate(random_);
  }
}

// Keys that the gate made for sessions are replaced in time; a generation brings the new ones.
io::Task<> Server::renew_session_keys() {
  for (;;) {
    co_await io::sleep_for(loop_, kSessionKeysLook);
    if (!draining_) reload({});
  }
}

// Once a day; what a reload brings, its diagnostics tell.
io::Task<> Server::warn_of_expiry() {
  for (;;) {
    for (const std::string& warning : expiry_warnings(compiled_listeners_, loop_.clock().wall_now())) {
      spdlog::warn("{}", warning);
    }
    co_await io::sleep_for(loop_, kDay);
  }
}

io::Task<> Server::watch_files() {
  if (!watcher_.works()) {
    spdlog::warn("files cannot be watched (no inotify instance left): SIGHUP reloads");
    co_return;
  }
  for (;;) {
    if (!watcher_.any()) co_await io::wait_for(loop_, base::kNever, watcher_.changed());
    co_await io::sleep_for(loop_, kSettle);
    Watcher::Changes changes = watcher_.take_changes();
    if (takes_away(changes)) {
      co_await io::sleep_for(loop_, kGoneSettle);
      changes.add(watcher_.take_changes());
    }
    if (!draining_) reload(changes);
  }
}

io::Task<> Server::watch_signals() {
  for (;;) {
    while (auto number = signals_->take()) {
      if (*number == SIGHUP) {
        if (draining_) continue;  // a listener opened now would only hold the drain up
        spdlog::info("SIGHUP: reloading");
        reload({.paths = {}, .everything = true});
      } else if (draining_) {
        spdlog::warn("signalled again: stopping at once");
        loop_.stop();
      } else {
        begin_drain();
      }
    }
    co_await io::wait_for(loop_, base::kNever, signals_->arrived());
  }
}

bool Server::takes_away(const Watcher::Changes& changes) const {
  if (changes.everything) {
    return std::ranges::any_of(current_.loaded.services,
                               [&](const auto& service) { return !files_.identify(*service->source.file); });
  }
  return std::ranges::any_of(changes.paths, [&](const std::string& path) {
    return path.ends_with(".yaml") && !files_.identify(path);
  });
}

void Server::reload(const Watcher::Changes& changes) {
  base::Instant began = loop_.clock().now();
  keys_.files_changed(changes.paths, changes.everything);
  config::LoadedGate loaded = changes.everything ? loader_.load() : loader_.reload(changes.paths);
  take(std::move(loaded), began);
}

// A loaded gate becomes the next generation, as far as it is good. False: the one before goes on.
bool Server::take(config::LoadedGate loaded, base::Instant began) {
  config::Diagnostics before = std::move(current_.diagnostics);
  watcher_.watch_files(loaded.referenced_files);
  current_.began = began;
  if (!loaded.loaded()) {
    finish_load(std::move(loaded.diagnostics), before);
    return false;
  }
  Compiled compiled = compiler_.compile(loaded, current_.number + 1);
  config::Diagnostics diagnostics = std::move(loaded.diagnostics);
  std::ranges::move(compiled.diagnostics, std::back_inserter(diagnostics));
  if (compiled.snapshot == nullptr) {
    finish_load(std::move(diagnostics), before);
    return false;
  }
  gate::Snapshot& snapshot = *compiled.snapshot;
  apply_log(*loaded.gate, diagnostics);
  fetcher_.apply(loaded.gate->fetch);
  apply_signer(*loaded.gate, snapshot, diagnostics);
  logins_.prepare(*loaded.gate, snapshot, diagnostics);
  apply_listeners(*loaded.gate, compiled, diagnostics);
  apply_admin(*loaded.gate, diagnostics);
  fill_listener_policies(*loaded.gate, compiled);
  snapshot.connections_max = connections_of_worker(loaded.gate->connections_max, workers_.size());
  bool changed = current_.snapshot == nullptr || loaded.gate != current_.loaded.gate ||
                 snapshot.services != current_.snapshot->services ||
                 snapshot.signer != current_.snapshot->signer ||
                 snapshot.sealer != current_.snapshot->sealer ||
                 snapshot.listeners.size() != current_.snapshot->listeners.size();
  if (changed) {
    snapshot.generation = ++current_.number;
    publish(compiled);
    current_.snapshot = compiled.snapshot;
    current_.time = loop_.clock().wall_now();
  }
  current_.loaded = std::move(loaded);
  current_.refused = std::move(compiled.refused_services);
  finish_load(std::move(diagnostics), before);
  if (ready_) write_ready_file();
  return true;
}

void Server::finish_load(config::Diagnostics diagnostics, const config::Diagnostics& before) {
  config::attach_lines(files_, diagnostics);
  config::sort_diagnostics(diagnostics);
  current_.diagnostics = std::move(diagnostics);
  current_.last_reload_successful = !config::has_errors(current_.diagnostics);
  current_.reload_time = loop_.clock().now() - current_.began;
  if (current_.last_reload_successful) last_success_ = loop_.clock().wall_now();
  report(before);
}

void Server::publish(Compiled& compiled) {
  gate::SnapshotPtr snapshot = compiled.snapshot;
  post_to_workers([snapshot](gate::Worker& worker) { worker.apply(snapshot); });
  keys_.apply(*snapshot->providers);
  logins_.apply(*snapshot);
  names_.apply(compiled.names_to_resolve);
  for (uint32_t slot : compiled.removed_slots) {
    post_to_workers([slot](gate::Worker& worker) { worker.forget_service(slot); });
  }
}

template <class Call>
void Server::post_to_workers(const Call& call) {
  for (auto& thread : workers_) {
    thread->post([call, worker = &thread->worker()] { call(*worker); });
  }
}

void Server::apply_listeners(const config::GateSettings& gate, const Compiled& compiled,
                             config::Diagnostics& diagnostics) {
  std::vector<std::string> names = listener_names(gate);
  std::erase_if(listeners_, [&](ListenerEntry& entry) {
    bool wanted = std::ranges::find(names, entry.configured) != names.end();
    if (!wanted) remove_listener(entry);
    return !wanted;
  });
  for (size_t i = 0; i < gate.listeners.size(); ++i) {
    if (compiled.listeners[i] == nullptr) continue;  // refused: nobody may connect
    const config::ListenerSettings& settings = gate.listeners[i];
    auto open = std::ranges::find(listeners_, names[i], &ListenerEntry::configured);
    if (open == listeners_.end()) {
      add_listener(settings, names[i], diagnostics);
    } else if (!open->unix_path.empty() && open->unix_mode != settings.unix_mode) {
      std::string problem = io::set_unix_mode(open->unix_path, settings.unix_mode);
      if (problem.empty()) open->unix_mode = settings.unix_mode;
      if (!problem.empty()) diagnostics.push_back(problem_at(settings.source, "listen", problem));
    }
  }
}

void Server::add_listener(const config::ListenerSettings& settings, const std::string& name,
                          config::Diagnostics& diagnostics) {
  auto sockets = io::open_listening_sockets(to_io_address(settings.address),
                                            static_cast<int>(workers_.size()), settings.unix_mode);
  if (!sockets) {
    diagnostics.push_back(problem_at(settings.source, "listen", sockets.error()));
    return;
  }
  io::Address bound = io::socket_address(sockets->front());
  ListenerEntry entry{.number = next_listener_++,
                      .configured = name,
                      .bound = io::format_address(bound),
                      .port = bound.port,
                      .unix_path = settings.address.unix_path,
                      .unix_mode = settings.unix_mode};
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->post([thread = workers_[i].get(), number = entry.number, fd = (*sockets)[i]] {
      if (auto listener = io::make_listener(thread->loop(), fd))
        thread->worker().add_listener(number, std::move(listener));
    });
  }
  spdlog::info("listening on {}", entry.bound);
  listeners_.push_back(std::move(entry));
}

void Server::remove_listener(ListenerEntry& entry) {
  post_to_workers([number = entry.number](gate::Worker& worker) { worker.remove_listener(number); });
  if (!entry.unix_path.empty()) unlink(entry.unix_path.c_str());
  spdlog::info("no longer listening on {}", entry.bound);
}

// By number, so that a connection of a listener that is gone, and one that it accepts last, still finds its
// policy: what it spoke before, but nobody is trusted there.
void Server::fill_listener_policies(const config::GateSettings& gate, Compiled& compiled) {
  policies_.resize(next_listener_);
  for (gate::ListenerPolicy& policy : policies_) policy.trusted_proxies.clear();
  for (const ListenerEntry& entry : listeners_) {
    for (const CompiledListenerPtr& listener : compiled.listeners) {
      if (listener == nullptr || listener->name != entry.configured) continue;
      policies_[entry.number] = listener->policy;
      if (listener->redirect == config::Redirect::https) {
        policies_[entry.number].redirect_port = redirect_port(gate);
      }
    }
  }
  compiled.snapshot->listeners = policies_;
  compiled_listeners_ = compiled.listeners;
}

// Never 0: what is to be redirected is never served instead, also while the place it is sent to is refused.
uint16_t Server::redirect_port(const config::GateSettings& gate) const {
  constexpr uint16_t kHttpsPort = 443;
  std::vector<std::string> names = listener_names(gate);
  for (size_t i = 0; i < gate.listeners.size(); ++i) {
    const config::ListenerSettings& settings = gate.listeners[i];
    if (!settings.tls || !settings.address.unix_path.empty()) continue;
    auto open = std::ranges::find(listeners_, names[i], &ListenerEntry::configured);
    if (open != listeners_.end()) return open->port;
    return settings.address.port != 0 ? settings.address.port : kHttpsPort;
  }
  return kHttpsPort;
}

void Server::apply_admin(const config::GateSettings& gate, config::Diagnostics& diagnostics) {
  std::string configured = gate.admin.address.text();
  if (configured == admin_configured_) return;
  io::Address address = to_io_address(gate.admin.address);
  base::Source source = gate.listeners.empty() ? base::Source{} : gate.listeners.front().source;
  source.line = source.column = 0;
  if (!is_local(address)) {
    diagnostics.push_back(problem_at(source, "admin.address",
                                     configured +
                                         " is reachable from other machines and the admin listener has no "
                                         "credentials of its own; use a loopback address or unix:/path"));
    return;
  }
  auto sockets = io::open_listening_sockets(address, 1);
  if (!sockets) {
    diagnostics.push_back(problem_at(source, "admin.address", sockets.error()));
    return;
  }
  admin_configured_ = configured;
  admin_bound_ = io::format_address(io::socket_address(sockets->front()));
  admin_.listen(io::make_listener(loop_, sockets->front()));
  spdlog::info("admin on {}", admin_bound_);
}

void Server::apply_log(const config::GateSettings& gate, config::Diagnostics& diagnostics) {
  using To = config::AccessLogSettings::To;
  switch (gate.log.level) {
    case config::LogLevel::debug:
      spdlog::set_level(spdlog::level::debug);
      break;
    case config::LogLevel::info:
      spdlog::set_level(spdlog::level::info);
      break;
    case config::LogLevel::warning:
      spdlog::set_level(spdlog::level::warn);
      break;
    case config::LogLevel::error:
      spdlog::set_level(spdlog::level::err);
      break;
  }
  bool on = gate.log.access.to != To::off;
  std::string path = gate.log.access.to == To::file ? files_.absolute(gate.log.access.file) : std::string{};
  LogForm form = log_form(gate.log.access);
  if (on && (!log_on_ || path != log_path_ || form != log_form_)) {
    if (std::string problem = log_.write_to(path, form); !problem.empty()) {
      diagnostics.push_back(problem_at({}, "log.access.file", problem));
      return;
    }
  }
  log_path_ = path;
  log_form_ = form;
  if (on == log_on_) return;
  log_on_ = on;
  post_to_workers(
      [on](gate::Worker& worker) { worker.set_access_log(on ? gate::AccessLog::on : gate::AccessLog::off); });
}

void Server::apply_signer(const config::GateSettings& gate, gate::Snapshot& snapshot,
                          config::Diagnostics& diagnostics) {
  auto signer = identity_key_.make_signer(gate.identity, loop_.clock().wall_now());
  if (signer) {
    snapshot.signer = *signer;
    return;
  }
  diagnostics.push_back(problem_at({}, "identity", signer.error()));
  if (current_.snapshot != nullptr) snapshot.signer = current_.snapshot->signer;
}

// Says what is new: a broken file once, not again at every reload of another.
void Server::report(const config::Diagnostics& before) const {
  if (current_.diagnostics.empty()) {
    if (config::has_errors(before)) spdlog::info("all files are good again");
  } else {
    bool same = std::ranges::equal(current_.diagnostics, before, [](const auto& a, const auto& b) {
      return config::format_line(a) == config::format_line(b);
    });
    if (!same) {
      auto style = isatty(2) ? config::Style::coloured : config::Style::plain;
      std::fputs(config::format_text(current_.diagnostics, style).c_str(), stderr);
    }
  }
  if (ready_) spdlog::info("{}", describe_generation());
}

std::string Server::describe_generation() const {
  uint64_t count = serving_count();
  std::string text = fmt::format("generation {}: {} service{} in {:.1f} ms", current_.number, count,
                                 count == 1 ? "" : "s", static_cast<double>(current_.reload_time.ns) / 1e6);
  if (current_.last_reload_successful) return text;
  if (current_.refused.empty()) return text + "; what is refused above goes on as last known";
  return fmt::format("{}; refused, and going on as last known: {}", text, fmt::join(current_.refused, ", "));
}

void Server::write_ready_file() const {
  if (options_.ready_file.empty()) return;
  std::string json = "{\"pid\":" + std::to_string(getpid()) + ",\"listeners\":[";
  for (const ListenerEntry& entry : listeners_) {
    if (json.back() != '[') json += ',';
    json += "{\"configured\":" + base::json_quoted(entry.configured) +
            ",\"address\":" + base::json_quoted(entry.bound) + "}";
  }
  json += "],\"admin\":" + base::json_quoted(admin_bound_) + "}\n";
  std::string temporary = options_.ready_file + ".tmp";
  std::ofstream file(temporary);
  file << json;
  file.close();
  if (!file || std::rename(temporary.c_str(), options_.ready_file.c_str()) != 0) {
    spdlog::error("the ready file {} cannot be written: {}", options_.ready_file, std::strerror(errno));
  }
}

void Server::begin_drain() {
  draining_ = true;
  base::Duration deadline = current_.loaded.gate->timeouts.drain;
  spdlog::info("draining for at most {} s; signal again to stop at once", deadline.milliseconds() / 1000);
  post_to_workers([deadline](gate::Worker& worker) { worker.drain(deadline); });
}

void Server::request_keys(uint32_t key_slot) {
  mailbox_.post([this, key_slot] { keys_.request(key_slot); });
}

void Server::worker_drained(uint32_t) {
  mailbox_.post([this] {
    if (++workers_drained_ == workers_.size()) loop_.stop();
  });
}

void Server::ask(uint32_t worker, uint64_t number, gate::Question question) {
  mailbox_.post([this, worker, number, question = std::move(question)]() mutable {
    tasks_.spawn(answer_question(worker, number, std::move(question)));
  });
}

io::Task<> Server::answer_question(uint32_t worker, uint64_t number, gate::Question question) {
  gate::Answer answer = co_await logins_.answer(std::move(question));
  if (number == gate::kNobodyWaits) co_return;
  WorkerThread& thread = *workers_[worker];
  thread.post([number, answer = std::move(answer), to = &thread.worker()]() mutable {
    to->answer(number, std::move(answer));
  });
}

void Server::wake_log_writer() { log_.wake(); }

void Server::publish_keys(uint32_t key_slot, const auth::KeySetPtr& keys) {
  post_to_workers([key_slot, keys](gate::Worker& worker) { worker.put_keys(key_slot, keys); });
}

void Server::publish_checked(uint32_t key_slot) {
  post_to_workers([key_slot](gate::Worker& worker) { worker.keys_checked(key_slot); });
}

void Server::publish_issuer(const std::string& provider, const gate::IssuerMetadataPtr& metadata) {
  post_to_workers([provider, metadata](gate::Worker& worker) { worker.put_issuer(provider, metadata); });
}

void Server::publish_renewed(const gate::RenewedSession& renewed) {
  post_to_workers([renewed](gate::Worker& worker) { worker.put_renewed_session(renewed); });
}

void Server::publish_revocation(const auth::Revocation& revocation) {
  post_to_workers([revocation](gate::Worker& worker) { worker.revoke(revocation); });
}

void Server::publish_revoked(gate::Sessions::Revoked known) {
  post_to_workers([known](gate::Worker& worker) { worker.sessions().set_revoked(known); });
}

void Server::publish_endpoints(const gate::Worker::ResolvedEndpoints& resolved) {
  post_to_workers([resolved](gate::Worker& worker) { worker.set_endpoints(resolved); });
}

}  // namespace control
