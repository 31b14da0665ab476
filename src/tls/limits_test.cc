// What a peer may cost: post-handshake messages, oversized handshakes, memory, allocations.
#include <malloc.h>
#include <openssl/ssl.h>

#include <cstdlib>

#include "tls/test_meeting.h"

namespace tls {
namespace {

using namespace testing;
using base::Reason;
using io::IoResult;

// A client that libssl lets us drive by hand, over memory that the test carries to the server's stream.
class RawClient {
 public:
  explicit RawClient(int version = TLS1_3_VERSION) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }
  SSL* ssl() { return ssl_.get(); }
  std::string take() {
    char* data = nullptr;
    long size = BIO_get_mem_data(SSL_get_wbio(ssl()), &data);
    std::string out(data, static_cast<size_t>(size));
    BIO_reset(SSL_get_wbio(ssl()));
    return out;
  }
  void give(std::string_view bytes) {
    BIO_write(SSL_get_rbio(ssl()), bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  ContextHandle context_;
  SslHandle ssl_;
};

struct RawMeeting {
  explicit RawMeeting(int version = TLS1_3_VERSION, ServerSettings settings = server_settings())
      : client(version) {
    auto [wire_end, server_end] = place.connect();
    wire = std::move(wire_end);
    server = Stream::accept(std::move(server_end), compile(settings));
    bool done = false;
    for (int i = 0; i < 20 && !(done && SSL_is_init_finished(client.ssl())); ++i) {
      SSL_do_handshake(client.ssl());
      carry();
      auto step = server->step_handshake();
      done = step && *step == Stream::Progress::done;
    }
    EXPECT_TRUE(done);
    carry();
  }
  // Both ways.
  void carry() {
    place.send(*wire, client.take());
    place.sim.run_for(base::milliseconds(1));
    std::array<char, 20'000> bytes;
    while (wire->may_read()) {
      IoResult got = wire->read(bytes);
      if (got.kind != IoResult::Kind::bytes) break;
      client.give({bytes.data(), got.count});
    }
  }
  MeetingPlace place;
  RawClient client;
  std::unique_ptr<io::Stream> wire;
  std::unique_ptr<Stream> server;
};

TEST(Limits, AFewKeyUpdatesAreServed) {
  RawMeeting met;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(SSL_key_update(met.client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(met.client.ssl()), 1);
    SSL_write(met.client.ssl(), "x", 1);
    met.carry();
    EXPECT_EQ(met.place.receive(*met.server), "x") << i;
    ASSERT_TRUE(met.place.send(*met.server, "y"));
    met.carry();
    char got = 0;
    EXPECT_EQ(SSL_read(met.client.ssl(), &got, 1), 1) << "the server has answered with its own key update";
  }
}

TEST(Limits, AStormOfKeyUpdatesEndsTheConnection) {
  RawMeeting met;
  for (int i = 0; i < 4000; ++i) {
    ASSERT_EQ(SSL_key_update(met.client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(met.client.ssl()), 1);
  }
  met.carry();
  EXPECT_EQ(met.place.receive(*met.server), "");
  EXPECT_EQ(met.place.ending, IoResult::Kind::failed);
  EXPECT_EQ(met.server->failure().reason, Reason::tls_protocol_error);
  EXPECT_STREQ(met.server->failure().detail, "the peer sends too much besides data");
}

TEST(Limits, RenegotiationIsRefused) {
  RawMeeting met(TLS1_2_VERSION);
  ASSERT_EQ(SSL_renegotiate(met.client.ssl()), 1);
  SSL_do_handshake(met.client.ssl());
  met.carry();
  met.place.receive(*met.server);
  met.carry();
  EXPECT_LE(SSL_do_handshake(met.client.ssl()), 0) << "no_renegotiation";
}

TEST(Limits, AHandshakeWithoutEndIsCutOff) {
  MeetingPlace place;
  auto [client, server_end] = place.connect();
  auto server = Stream::accept(std::move(server_end), compile(server_settings()));
  // A ClientHello of 16 MB, in records of 16 KiB.
  std::string record("\x16\x03\x01\x40\x00\x01\xff\xff\xff\x03\x03", 11);
  record.resize(5 + 0x4000, 'x');
  base::Result<Stream::Progress> step = Stream::Progress::wants_read;
  size_t sent = 0;
  while (step && sent < 10'000'000) {
    ASSERT_TRUE(place.send(*client, record));
    sent += record.size();
    place.sim.run_for(base::milliseconds(1));
    step = server->step_handshake();
  }
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().reason, Reason::tls_protocol_error);
  EXPECT_LT(sent, 2 * Wire::kHandshakeBytesMax);
}

TEST(Limits, CompressionAndOldVersionsAreNotOffered) {
  RawMeeting met(TLS1_2_VERSION);
  EXPECT_EQ(SSL_get_current_compression(met.client.ssl()), nullptr);
  EXPECT_EQ(met.server->cipher(), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  EXPECT_EQ(SSL_get_secure_renegotiation_support(met.client.ssl()), 1);
}

TEST(Limits, AStapledAnswerIsSentToWhoAsks) {
  ServerSettings settings = server_settings();
  settings.certificates[0].ocsp_response = "not checked here";
  MeetingPlace place;
  auto [wire, server_end] = place.connect();
  auto server = Stream::accept(std::move(server_end), compile(settings));
  RawClient client;
  SSL_set_tlsext_status_type(client.ssl(), TLSEXT_STATUSTYPE_ocsp);
  for (int i = 0; i < 10; ++i) {
    SSL_do_handshake(client.ssl());
    place.send(*wire, client.take());
    place.sim.run_for(base::milliseconds(1));
    (void)server->step_handshake();
    client.give(place.receive(*wire));
  }
  unsigned char* staple = nullptr;
  long size = SSL_get_tlsext_status_ocsp_resp(client.ssl(), &staple);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string_view(reinterpret_cast<char*>(staple), static_cast<size_t>(size)), "not checked here");
}

// A client may ask for small records (RFC 6066 §4); what is written still arrives in order and whole.
TEST(Limits, SmallRecordsOnRequest) {
  MeetingPlace place;
  auto [wire, server_end] = place.connect();
  auto server = Stream::accept(std::move(server_end), compile(server_settings()));
  RawClient client;
  SSL_set_tlsext_max_fragment_length(client.ssl(), TLSEXT_max_fragment_length_512);
  for (int i = 0; i < 10; ++i) {
    SSL_do_handshake(client.ssl());
    place.send(*wire, client.take());
    place.sim.run_for(base::milliseconds(1));
    (void)server->step_handshake();
    client.give(place.receive(*wire));
  }
  ASSERT_EQ(SSL_is_init_finished(client.ssl()), 1);
  std::string text(5000, 'x');
  text[512] = 'y';
  ASSERT_TRUE(place.send(*server, text));
  client.give(place.receive(*wire));
  std::string got;
  char part[600];
  for (int count; (count = SSL_read(client.ssl(), part, sizeof part)) > 0;) {
    EXPECT_LE(count, 512);
    got.append(part, static_cast<size_t>(count));
  }
  EXPECT_EQ(got, text);
}

}  // namespace
}  // namespace tls
