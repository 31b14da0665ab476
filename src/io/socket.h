// Streams and listeners on kernel sockets.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "io/stream.h"

namespace io {

class SocketNetwork final : public Network {
 public:
  explicit SocketNetwork(Loop& loop) : loop_(loop) {}
  std::unique_ptr<Stream> connect(const Address& to, int& error) override;

 private:
  Loop& loop_;
};

// count listening sockets for one address, not yet in any loop: one a worker. TCP sockets share the address
// by SO_REUSEPORT and the kernel spreads connections over them; it is first made sure that no other process
// listens there. A unix socket is one socket under several descriptors, and its file has the mode whatever
// the umask says, at no moment a wider one. The error is a sentence for the user.
inline constexpr uint32_t kUnixModeDefault = 0660;
std::expected<std::vector<int>, std::string> open_listening_sockets(const Address& address, int count,
                                                                    uint32_t unix_mode = kUnixModeDefault);
// For a unix socket that is listened on already. Empty, or a sentence for the user.
std::string set_unix_mode(const std::string& path, uint32_t mode);
Address socket_address(int fd);

// Takes fd over. nullptr when it cannot be registered.
std::unique_ptr<Listener> make_listener(Loop& loop, int fd);
// A connected socket, taken over.
std::unique_ptr<Stream> make_socket_stream(Loop& loop, int fd);

}  // namespace io
