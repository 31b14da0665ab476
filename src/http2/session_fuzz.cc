// Any bytes as what a client says to our server, whose handler reads and answers, and as what a backend says
// to our client with requests under way. Whatever they are, every exchange ends, and nothing is held
// afterwards. The first byte chooses the side and how the bytes are cut; behind a prefix of good manners, so
// that the fuzzer need not find it, stands the rest.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "http2/client_connection.h"
#include "http2/server_connection.h"
#include "http2/test_site.h"
#include "io/sim.h"

namespace {

using namespace http2;

constexpr std::string_view kEmptySettings("\0\0\0\4\0\0\0\0\0", 9);

struct World {
  World() {
    listener = sim.network.listen(io::sim_address(1, 80));
    int error = 0;
    near = sim.network.connect_from(io::sim_address(2, 5000), io::sim_address(1, 80), error);
    sim.run_until([&] {
      if (far == nullptr) far = listener->accept(peer, error);
      return far != nullptr && near->connect_error() == 0;
    });
  }
  ~World() { scope.cancel_all(); }

  io::Task<> say(std::string_view bytes, size_t piece) {
    while (!bytes.empty()) {
      iovec one{const_cast<char*>(bytes.data()), std::min(piece, bytes.size())};
      const io::IoResult sent = near->write({&one, 1});
      if (sent.kind == io::IoResult::Kind::failed) break;
      bytes.remove_prefix(sent.count);
      if (sent.kind == io::IoResult::Kind::would_block) {
        co_await io::wait_for(sim.loop, base::kNever, near->writable());
      } else {
        co_await io::Yield(sim.loop);
      }
    }
    near->shutdown_write();
  }
  io::Task<> serve() {
    co_await server->serve(site);
    served = true;
  }
  io::Task<> call(bool with_body) {
    http::Headers none;
    auto stream = client->open_stream();
    if (stream != nullptr) {
      const auto kind = with_body ? http::BodyLength::Kind::chunked : http::BodyLength::Kind::none;
      const bool started = stream
                               ->start_request({.method = "POST",
                                                .method_kind = http::Method::post,
                                                .path = "/",
                                                .authority = "a",
                                                .headers = &none,
                                                .body = {kind, 0}})
                               .has_value();
      if (started) {
        if (with_body) (void)stream->write("hello");
        (void)stream->finish({});
        http::ResponseHead head;
        for (;;) {
          auto got = stream->receive_head(head);
          if (!got) break;
          if (*got && head.status >= 200) {
            std::string body;
            (void)co_await read_all(sim.loop, *stream, body);
            break;
          }
          if (!*got) co_await io::wait_for(sim.loop, base::kNever, stream->readable());
        }
      }
    }
    ++calls_ended;
  }

  io::SimWorld sim{1};
  Site site{sim.loop};
  io::Address peer;
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<io::Stream> near;
  std::unique_ptr<io::Stream> far;
  std::unique_ptr<ServerConnection> server;
  std::unique_ptr<ClientConnection> client;
  bool served = false;
  int calls_ended = 0;
  io::Scope scope;
};

void require(bool holds) {
  if (!holds) std::abort();
}

void fuzz_server(std::string_view bytes, size_t piece, bool mannered) {
  World world;
  std::string all = mannered ? std::string(kPreface).append(kEmptySettings) : std::string();
  all += bytes;
  world.server = std::make_unique<ServerConnection>(world.sim.loop, std::move(world.far), world.peer);
  world.scope.spawn(world.serve());
  world.scope.spawn(world.say(all, piece));
  require(world.sim.run_until([&] { return world.served; }, base::seconds(1000)));
  require(world.server->exchanges() == 0);
}

void fuzz_client(std::string_view bytes, size_t piece, bool mannered) {
  World world;
  std::string all = mannered ? std::string(kEmptySettings) : std::string();
  all += bytes;
  world.client = std::make_unique<ClientConnection>(world.sim.loop, std::move(world.far), ClientSettings{});
  world.scope.spawn(world.call(false));
  world.scope.spawn(world.call(true));
  world.scope.spawn(world.say(all, piece));
  require(world.sim.run_until([&] { return world.calls_ended == 2; }, base::seconds(1000)));
  require(world.client->in_use() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t choice = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = (choice & 4) != 0 ? SIZE_MAX : 1 + (choice >> 3);
  if ((choice & 1) != 0) {
    fuzz_client(bytes, piece, (choice & 2) == 0);
  } else {
    fuzz_server(bytes, piece, (choice & 2) == 0);
  }
  return 0;
}
