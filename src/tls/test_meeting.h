// A client and a server that meet over TLS in the simulated world, for this folder's tests.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "io/sim.h"
#include "tls/stream.h"
#include "tls/test_certificates.h"
#include "tls/ticket_keys.h"

namespace tls::testing {

inline const TestCertificate& authority() {
  static const TestCertificate made = make_authority("Test CA");
  return made;
}

inline std::shared_ptr<const TrustStore> trust(const TestCertificate& certificate) {
  return *TrustStore::from_pem(certificate.pem());
}

inline CertificateSettings settings_of(const TestCertificate& certificate) {
  return {.chain_pem = certificate.chain_pem(),
          .key_pem = certificate.key_pem(),
          .ocsp_response = {},
          .names = {}};
}

inline constexpr base::WallTime kToday{};  // long before anything expires

inline std::shared_ptr<const ServerContext> compile(const ServerSettings& settings) {
  CompiledServer compiled = compile_server_context(settings, kToday);
  for (const Problem& problem : compiled.problems) {
    EXPECT_NE(problem.severity, Problem::Severity::error) << problem.sentence;
  }
  return compiled.context;
}

inline std::shared_ptr<const ClientContext> compile(const ClientSettings& settings) {
  auto compiled = compile_client_context(settings);
  EXPECT_TRUE(compiled) << compiled.error();
  return compiled.value_or(nullptr);
}

inline ServerSettings server_settings(const std::string& names = "DNS:a.example") {
  ServerSettings settings;
  settings.certificates.push_back(settings_of(authority().issue({.common_name = "server", .names = names})));
  settings.alpn = {"h2", "http/1.1"};
  return settings;
}

inline ClientSettings client_settings() {
  ClientSettings settings;
  settings.ca = trust(authority());
  return settings;
}

inline std::shared_ptr<TicketKeys> make_ticket_keys() {
  crypto::SystemRandom random;
  return std::make_shared<TicketKeys>(random);
}

// Every link as the test says.
class Links final : public io::SimWeather {
 public:
  io::SimLinkPlan plan(const io::Address&, io::SimRandom&) override { return all; }
  io::SimLinkPlan all;
};

struct Meeting {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
  base::Result<> client_outcome = base::gate_error(base::Reason::draining, "not decided");
  base::Result<> server_outcome = base::gate_error(base::Reason::draining, "not decided");

  bool made() const { return client_outcome.has_value() && server_outcome.has_value(); }
};

class MeetingPlace {
 public:
  using IoResult = io::IoResult;

  explicit MeetingPlace(uint64_t seed = 1)
      : sim(seed), listener_(sim.network.listen(io::sim_address(1, 443))) {
    sim.network.set_weather(&links);
  }

  // Two ends of one connection, without TLS.
  std::pair<std::unique_ptr<io::Stream>, std::unique_ptr<io::Stream>> connect() {
    int error = 0;
    io::Address peer;
    auto client = sim.network.connect_from({}, io::sim_address(1, 443), error);
    std::unique_ptr<io::Stream> server;
    sim.run_until([&] { return (server = listener_->accept(peer, error)) != nullptr; });
    return {std::move(client), std::move(server)};
  }

  Meeting meet(std::shared_ptr<const ServerContext> server, const ConnectTo& to) {
    auto [client_end, server_end] = connect();
    Meeting met;
    met.client = Stream::connect(std::move(client_end), to);
    met.server = Stream::accept(std::move(server_end), std::move(server));
    io::Scope scope;
    int running = 2;
    scope.spawn(shake(*met.client, met.client_outcome, running));
    scope.spawn(shake(*met.server, met.server_outcome, running));
    sim.run_until([&] { return running == 0; });
    return met;
  }
  Meeting meet(const ServerSettings& server, const ClientSettings& client,
               std::string_view name = "a.example") {
    return meet(compile(server), {.context = compile(client), .name = name, .session = nullptr});
  }

  // Writes all of it, however slowly the other side takes it. False: the stream failed.
  bool send(io::Stream& from, std::string_view bytes) {
    while (!bytes.empty()) {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      IoResult sent = from.write({&piece, 1});
      if (sent.kind == IoResult::Kind::failed) return false;
      if (sent.kind == IoResult::Kind::would_block) sim.run_for(base::milliseconds(1));
      bytes.remove_prefix(sent.count);
    }
    return true;
  }

  // Writes all of it while the other end reads; what arrives there.
  std::string pass(io::Stream& from, io::Stream& to, std::string_view bytes) {
    std::string got;
    const size_t size = bytes.size();
    while (got.size() < size) {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      IoResult sent = bytes.empty() ? IoResult{} : from.write({&piece, 1});
      std::array<char, 900> room;
      IoResult read = to.may_read() ? to.read(room) : IoResult{};
      if (ended(sent) || ended(read)) break;
      bytes.remove_prefix(sent.count);
      got.append(room.data(), read.count);
      if (read.count == 0) sim.run_for(base::microseconds(100));
    }
    return got;
  }

  // Reads until nothing comes for a while; how it ended stands in `ending`.
  std::string receive(io::Stream& from) {
    std::string all;
    for (int quiet = 0; quiet < 20;) {
      std::array<char, 5000> bytes;
      IoResult got = from.may_read() ? from.read(bytes) : IoResult{};
      ending = got.kind;
      ending_error = got.error;
      if (ended(got)) break;
      all.append(bytes.data(), got.count);
      quiet = got.count > 0 ? 0 : quiet + 1;
      if (got.count == 0) sim.run_for(base::milliseconds(1));
    }
    return all;
  }

  // Each side hears what the other says.
  void expect_talk(Meeting& met) {
    ASSERT_TRUE(met.made()) << (met.client_outcome ? "" : met.client_outcome.error().detail) << " / "
                            << (met.server_outcome ? "" : met.server_outcome.error().detail);
    EXPECT_EQ(pass(*met.client, *met.server, "ping"), "ping");
    EXPECT_EQ(pass(*met.server, *met.client, "pong"), "pong");
  }

  io::SimWorld sim;
  Links links;
  IoResult::Kind ending{};
  int ending_error = 0;

 private:
  static bool ended(const IoResult& result) {
    return result.kind == IoResult::Kind::end || result.kind == IoResult::Kind::failed;
  }
  io::Task<> shake(Stream& stream, base::Result<>& outcome, int& running) {
    outcome = co_await stream.handshake(sim.loop, sim.clock.now() + base::seconds(10));
    --running;
  }

  std::unique_ptr<io::Listener> listener_;
};

}  // namespace tls::testing
