// What TLS costs a server: handshakes, records, memory. Streams are in memory, so that it is libssl's and our
// own time alone; only the server's half is counted, beside the same done with libssl bare.
// Run: cmake --preset release -DGATEHOUSE_MICRO_BENCH=ON, then tls_bench.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>

#include "io/epoll.h"
#include "io/socket.h"
#include "tls/stream.h"
#include "tls/test_certificates.h"
#include "tls/ticket_keys.h"

namespace {

using tls::testing::TestCertificate;

struct Pipe {
  std::string bytes;
  size_t used = 0;
};

class PipeStream final : public io::BaseStream {
 public:
  PipeStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out) : in_(std::move(in)), out_(std::move(out)) {
    may_read_ = true;
  }
  io::IoResult read(std::span<char> into) override {
    size_t count = std::min(into.size(), in_->bytes.size() - in_->used);
    if (count == 0) return {};
    in_->bytes.copy(into.data(), count, in_->used);
    in_->used += count;
    if (in_->used == in_->bytes.size()) {
      std::string().swap(in_->bytes);  // holds nothing, as an idle socket in user space
      in_->used = 0;
    }
    return {io::IoResult::Kind::bytes, count, 0};
  }
  io::IoResult write(std::span<const iovec> pieces) override {
    size_t count = 0;
    for (const iovec& piece : pieces) {
      out_->bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      count += piece.iov_len;
    }
    return {io::IoResult::Kind::bytes, count, 0};
  }
  void shutdown_write() override {}
  void reset_on_close() override {}
  int connect_error() override { return 0; }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
};

struct World {
  explicit World(tls::testing::TestKey key = tls::testing::TestKey::ecdsa)
      : certificate(authority.issue({.common_name = "server", .names = "DNS:a.example", .key = key})) {
    crypto::SystemRandom random;
    tls::ServerSettings settings;
    settings.certificates.push_back({.chain_pem = certificate.chain_pem(), .key_pem = certificate.key_pem()});
    settings.alpn = {"h2", "http/1.1"};
    settings.ticket_keys = std::make_shared<tls::TicketKeys>(random);
    server = tls::compile_server_context(settings, {}).context;
    tls::ClientSettings backend;
    backend.ca = *tls::TrustStore::from_pem(authority.pem());
    backend.alpn = {"http/1.1"};
    client = *tls::compile_client_context(backend);
  }
  TestCertificate authority = tls::testing::make_authority("CA");
  TestCertificate certificate;
  std::shared_ptr<const tls::ServerContext> server;
  std::shared_ptr<const tls::ClientContext> client;
};

// Of this thread's CPU, so that a busy machine does not count.
class Stopwatch {
 public:
  void start() { began_ = now(); }
  void stop() { total_ += now() - began_; }
  double seconds() const { return static_cast<double>(total_) * 1e-9; }

 private:
  static int64_t now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  int64_t began_ = 0;
  int64_t total_ = 0;
};

struct Pair {
  std::unique_ptr<tls::Stream> client;
  std::unique_ptr<tls::Stream> server;
};

// Counts the server's half.
Pair shake_hands(const World& world, const std::shared_ptr<tls::SessionSlot>& session, Stopwatch& watch) {
  auto up = std::make_shared<Pipe>(), down = std::make_shared<Pipe>();
  Pair pair;
  pair.client = tls::Stream::connect(std::make_unique<PipeStream>(down, up),
                                     {.context = world.client, .name = "a.example", .session = session});
  auto below = std::make_unique<PipeStream>(up, down);
  watch.start();
  pair.server = tls::Stream::accept(std::move(below), world.server);
  watch.stop();
  for (bool done = false; !done;) {
    (void)pair.client->step_handshake();
    watch.start();
    auto step = pair.server->step_handshake();
    watch.stop();
    if (!step) std::abort();
    done = *step == tls::Stream::Progress::done;
  }
  return pair;
}

void say(tls::Stream& from, tls::Stream& to, std::string_view text, std::span<char> room) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  from.write({&piece, 1});
  if (to.read(room).count != text.size()) std::abort();
}

enum class Kind { full, resumed };

void handshake(benchmark::State& state, tls::testing::TestKey key, Kind kind) {
  World world(key);
  auto slot = std::make_shared<tls::SessionSlot>();
  char room[100];
  for (auto _ : state) {
    Stopwatch watch;
    Pair pair = shake_hands(world, kind == Kind::resumed ? slot : nullptr, watch);
    say(*pair.server, *pair.client, "x", room);  // brings the ticket
    watch.start();
    pair.server.reset();
    watch.stop();
    state.SetIterationTime(watch.seconds());
  }
}

// libssl as it comes, over its own memory BIOs, with two tickets: what others do.
void bare_handshake(benchmark::State& state) {
  World world;
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  auto pair = tls::parse_key_pair(world.certificate.chain_pem(), world.certificate.key_pem());
  SSL_CTX_use_certificate(context, pair->chain[0].get());
  SSL_CTX_add1_chain_cert(context, pair->chain[1].get());
  SSL_CTX_use_PrivateKey(context, pair->key.get());
  for (auto _ : state) {
    Stopwatch watch;
    auto up = std::make_shared<Pipe>(), down = std::make_shared<Pipe>();
    auto client = tls::Stream::connect(std::make_unique<PipeStream>(down, up),
                                       {.context = world.client, .name = "a.example", .session = nullptr});
    watch.start();
    SSL* server = SSL_new(context);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    watch.stop();
    for (int outcome = 0; outcome != 1;) {
      (void)client->step_handshake();
      watch.start();
      BIO_write(SSL_get_rbio(server), up->bytes.data(), static_cast<int>(up->bytes.size()));
      outcome = SSL_do_handshake(server);
      char* data = nullptr;
      long size = BIO_get_mem_data(SSL_get_wbio(server), &data);
      down->bytes.append(data, static_cast<size_t>(size));
      BIO_reset(SSL_get_wbio(server));
      watch.stop();
      up->bytes.clear();
    }
    watch.start();
    SSL_free(server);
    watch.stop();
    state.SetIterationTime(watch.seconds());
  }
  SSL_CTX_free(context);
}

void record_round_trip(benchmark::State& state) {
  World world;
  Stopwatch unused;
  Pair pair = shake_hands(world, nullptr, unused);
  std::string text(static_cast<size_t>(state.range(0)), 'x');
  std::string room(text.size() + 1, ' ');
  for (auto _ : state) {
    say(*pair.client, *pair.server, text, room);
    say(*pair.server, *pair.client, text, room);
  }
  state.SetBytesProcessed(static_cast<int64_t>(2 * state.iterations() * text.size()));
}

void bulk_write(benchmark::State& state) {
  World world;
  Stopwatch unused;
  Pair pair = shake_hands(world, nullptr, unused);
  std::string text(128 * 1024, 'x');
  std::string room(text.size(), ' ');
  for (auto _ : state) {
    Stopwatch watch;
    iovec piece{text.data(), text.size()};
    watch.start();
    pair.server->write({&piece, 1});
    watch.stop();
    for (size_t got = 0; got < text.size();) got += pair.client->read(room).count;
    state.SetIterationTime(watch.seconds());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

// Bytes of the heap that one idle connection holds, beyond the stream below.
void idle_memory(benchmark::State& state) {
  World world;
  constexpr size_t kConnections = 1000;
  for (auto _ : state) {
    Stopwatch unused;
    char room[100];
    std::vector<std::unique_ptr<tls::Stream>> servers(kConnections);
    shake_hands(world, nullptr, unused);  // what is made once
    size_t before = mallinfo2().uordblks;
    for (auto& server : servers) {
      Pair pair = shake_hands(world, nullptr, unused);
      say(*pair.client, *pair.server, "GET", room);
      say(*pair.server, *pair.client, "200", room);
      server = std::move(pair.server);
      server->reset_on_close();
    }
    state.counters["bytes"] = static_cast<double>(mallinfo2().uordblks - before) / kConnections;
  }
}

BENCHMARK_CAPTURE(handshake, ecdsa_full, tls::testing::TestKey::ecdsa, Kind::full)->UseManualTime();
BENCHMARK(bare_handshake)->UseManualTime();
BENCHMARK_CAPTURE(handshake, rsa_full, tls::testing::TestKey::rsa, Kind::full)->UseManualTime();
BENCHMARK_CAPTURE(handshake, ecdsa_resumed, tls::testing::TestKey::ecdsa, Kind::resumed)->UseManualTime();
BENCHMARK(record_round_trip)->Arg(1)->Arg(1024)->Arg(16 * 1024);
BENCHMARK(bulk_write)->UseManualTime();
BENCHMARK(idle_memory)->Iterations(1);

}  // namespace
