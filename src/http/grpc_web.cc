#include "http/grpc_web.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace http {
namespace {

using base::Reason;

constexpr size_t kPrefixBytes = 5;
constexpr char kTrailersFlag = static_cast<char>(0x80);
constexpr size_t kGroup = 3;  // bytes that four characters stand for
constexpr size_t kGroupText = 4;

}  // namespace

// --- Messages ----------------------------------------------------------------------------------------------

bool GrpcMessageTracker::follow(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    if (held_ == kPrefixBytes) {
      const size_t taken = std::min<size_t>(left_, bytes.size());
      left_ -= static_cast<uint32_t>(taken);
      bytes.remove_prefix(taken);
    } else {
      const auto byte = static_cast<uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      if (held_ == 0) {
        broken_ = byte > 1;
        ++messages_;
      } else {
        left_ = left_ << 8 | byte;
      }
      ++held_;
    }
    if (held_ == kPrefixBytes && left_ == 0) held_ = 0;
  }
  return !broken_;
}

// --- The request -------------------------------------------------------------------------------------------

base::Result<BodyBytes> GrpcWebRequestSource::peek() {
  if (kind_ != GrpcKind::web_text) return source_.peek();
  if (decoded_.empty() && !ended_) {
    if (auto decoded = decode(); !decoded) return std::unexpected(decoded.error());
  }
  return BodyBytes{.bytes = decoded_.filled(), .end = ended_};
}

void GrpcWebRequestSource::consume(size_t count) {
  if (kind_ != GrpcKind::web_text) return source_.consume(count);
  decoded_.consume(count);
  if (decoded_.empty()) decoded_.release();
}

// Fills decoded_ from what source_ has at hand.
base::Result<> GrpcWebRequestSource::decode() {
  if (!decoded_.reserve(io::kSmallBuffer)) {
    return base::gate_error(Reason::proxy_internal_error, "no room to decode the body");
  }
  while (!ended_ && decoded_.space() >= kGroup) {
    const auto got = source_.peek();
    if (!got) return std::unexpected(got.error());
    const size_t offered = got->bytes.size();
    const auto step = decoder_.decode(got->bytes, decoded_.tail());
    if (!step) return base::client_error(Reason::http_request_error, "the gRPC-Web body is not base64");
    decoded_.grew(step->written);
    const bool last = got->end && step->consumed == offered;
    if (step->consumed > 0) source_.consume(step->consumed);
    if (last) {
      if (!decoder_.complete()) {
        return base::client_error(Reason::http_request_error, "the gRPC-Web body ends within base64");
      }
      ended_ = true;
    } else if (offered == 0) {
      break;
    }
  }
  if (decoded_.empty()) decoded_.release();
  return {};
}

// --- The answer --------------------------------------------------------------------------------------------

base::Result<size_t> GrpcWebResponseSink::write(std::string_view bytes) {
  const auto taken = kind_ == GrpcKind::web_text ? write_text(bytes) : sink_.write(bytes);
  if (taken && !tracker_.follow(bytes.substr(0, *taken))) {
    return base::backend_error(Reason::http_protocol_error, "the answer's body is not gRPC messages");
  }
  return taken;
}

base::Result<size_t> GrpcWebResponseSink::write_text(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const auto sent = send_pending();
    if (!sent) return std::unexpected(sent.error());
    if (!*sent) break;
    if (!pending_.reserve(io::kSmallBuffer)) break;
    taken += encode(bytes.substr(taken));
  }
  const auto sent = send_pending();
  if (!sent) return std::unexpected(sent.error());
  return taken;
}

// Takes as many bytes as pending_ has room for; what is short of a group is carried to the next call.
size_t GrpcWebResponseSink::encode(std::string_view bytes) {
  size_t taken = 0;
  if (carried_ > 0 && carried_ + bytes.size() >= kGroup && pending_.space() >= kGroupText) {
    char group[kGroup];
    std::memcpy(group, carry_, carried_);
    taken = kGroup - carried_;
    std::memcpy(group + carried_, bytes.data(), taken);
    carried_ = 0;
    put_encoded({group, kGroup});
  }
  if (carried_ == 0) {
    const size_t room = pending_.space() / kGroupText * kGroup;
    const size_t groups = std::min((bytes.size() - taken) / kGroup * kGroup, room);
    put_encoded(bytes.substr(taken, groups));
    taken += groups;
  }
  while (taken < bytes.size() && carried_ + (bytes.size() - taken) < kGroup) {
    carry_[carried_++] = bytes[taken++];
  }
  return taken;
}

void GrpcWebResponseSink::put_encoded(std::string_view bytes) {
  pending_.grew(base::encode_base64(bytes, pending_.tail().data()));
}

void GrpcWebResponseSink::put(std::string_view bytes) {
  if (kind_ == GrpcKind::web_text) {
    encode(bytes);
  } else {
    pending_.append(bytes);
  }
}

// True when nothing is left of it.
base::Result<bool> GrpcWebResponseSink::send_pending() {
  while (!pending_.empty()) {
    const auto sent = sink_.write(pending_.filled());
    if (!sent) return std::unexpected(sent.error());
    if (*sent == 0) return false;
    pending_.consume(*sent);
  }
  pending_.release();
  return true;
}

base::Result<> GrpcWebResponseSink::finish(std::string_view trailers) {
  if (!tracker_.at_boundary()) {
    return base::backend_error(Reason::http_response_incomplete, "the answer ends within a gRPC message");
  }
  finished_ = true;
  if (trailers.empty()) return {};
  const size_t size = kPrefixBytes + trailers.size();
  if (trailers.size() > kTrailerBytesMax ||
      !pending_.reserve(base::base64_length(carried_ + size) + kGroupText)) {
    return base::backend_error(Reason::http_response_header_section_size, "the trailers are too long");
  }
  const auto length = static_cast<uint32_t>(trailers.size());
  char prefix[kPrefixBytes] = {kTrailersFlag, static_cast<char>(length >> 24),
                               static_cast<char>(length >> 16), static_cast<char>(length >> 8),
                               static_cast<char>(length)};
  put({prefix, kPrefixBytes});
  // The specification wants names in lower case.
  bool in_name = true;
  for (char c : trailers) {
    const char lower = in_name ? base::to_lower(c) : c;
    if (c == ':') in_name = false;
    if (c == '\n') in_name = true;
    put({&lower, 1});
  }
  return {};
}

base::Result<bool> GrpcWebResponseSink::flush() {
  if (carried_ > 0) {
    if (!pending_.reserve(kGroupText)) return false;
    put_encoded({carry_, carried_});
    carried_ = 0;
  }
  const auto drained = drain();
  if (!drained || !*drained) return drained;
  if (finished_ && !sink_finished_) {
    if (auto finished = sink_.finish({}); !finished) return std::unexpected(finished.error());
    sink_finished_ = true;
  }
  return sink_.flush();
}

// All of pending_ to the sink, with what the sink itself holds out of the way. False: writable() will fire.
base::Result<bool> GrpcWebResponseSink::drain() {
  for (;;) {
    auto sent = send_pending();
    if (!sent || *sent) return sent;
    const size_t left = pending_.size();
    const auto flushed = sink_.flush();
    if (!flushed || !*flushed) return flushed;
    // Room may have come with the flush, and then no signal follows; without any, the peer's window is shut.
    sent = send_pending();
    if (!sent || *sent || pending_.size() == left) return sent;
  }
}

}  // namespace http
