// The admin listener: health, metrics and the read-only API, on the control thread with the gate's own HTTP
// server. Only on a loopback address or a unix socket, and only for requests that name the host as such, so
// that a page in somebody's browser cannot read it by rebinding a name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http1/server_connection.h"
#include "io/stream.h"
#include "io/task.h"

namespace control {

struct AdminAnswer {
  uint16_t status = 200;
  std::string_view content_type = "application/json";
  std::string body;
};

// What the admin listener shows; implemented by the server. Control thread.
class AdminSource {
 public:
  virtual ~AdminSource() = default;
  // path without the query. status 404: there is no such resource.
  virtual AdminAnswer admin_answer(std::string_view path) = 0;
};

class Admin final {
 public:
  Admin(io::Loop& loop, AdminSource& source) : loop_(loop), source_(source) {}

  // Replaces the listener; connections of the old one go on.
  void listen(std::unique_ptr<io::Listener> listener);

 private:
  class Client;
  io::Task<> accept_clients();
  io::Task<> serve_client(std::unique_ptr<io::Stream> stream, io::Address peer);

  io::Loop& loop_;
  AdminSource& source_;
  std::unique_ptr<io::Listener> listener_;
  io::Task<> accepting_;
  io::Scope connections_;
};

}  // namespace control
