// The server's side of a client's connection, whatever its HTTP version, and who answers the requests that
// come out of it.
#pragma once

#include "base/result.h"
#include "http/limits.h"
#include "http/stream.h"
#include "io/task.h"

namespace http {

// Answers requests. One call an exchange; calls for one connection overlap where its protocol multiplexes.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual io::Task<> serve(ServerStream& stream) = 0;
  // A request that was refused before it had a usable head; the handler answers through the stream.
  virtual io::Task<> refuse(ServerStream& stream, base::Error error) = 0;
  // No further request is wanted on the connection: answers say so and idle connections close.
  virtual bool draining() const = 0;
  // What limits hold for the next request.
  virtual const ServerLimits& limits() const = 0;
};

// A client's connection. Destroying it closes it.
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  // Serves until the connection ends. The handler outlives the connection.
  virtual io::Task<> serve(RequestHandler& handler) = 0;
  // RequestHandler::draining() has become true: an idle connection closes now, a busy one when it is done.
  virtual void begin_drain() = 0;
  // Waiting for a request of which nothing has come: may be closed without loss.
  virtual bool idle() const = 0;
  // serve() has ended because the client turned out to speak HTTP/2.
  virtual bool found_http2() const { return false; }
};

}  // namespace http
