// A connection as far as the codec can tell: bytes come in as the network cuts them, one message comes out,
// told as text so that two ways of cutting compare as strings. Tests and fuzzers only.
#pragma once

#include <string>
#include <string_view>

#include "http/head.h"
#include "http/target.h"
#include "http1/codec.h"

namespace http1 {

struct Outcome {
  enum class State : uint8_t { incomplete, refused, complete };
  State state = State::incomplete;
  bool head_accepted = false;
  base::Error error;      // when refused
  std::string head_text;  // every field of the head, as the parser understood it
  std::string body;
  std::string trailers;
  size_t consumed = 0;  // bytes of the message, once complete

  bool operator==(const Outcome& other) const {
    return state == other.state && head_accepted == other.head_accepted &&
           error.reason == other.error.reason && std::string_view(error.detail) == other.error.detail &&
           head_text == other.head_text && body == other.body && trailers == other.trailers &&
           consumed == other.consumed;
  }
};

inline std::string tell_body(const http::BodyLength& body) {
  return "body " + std::to_string(static_cast<int>(body.kind)) + " " + std::to_string(body.bytes) + "\n";
}

inline std::string tell_headers(const http::Headers& headers) {
  std::string text;
  for (const http::Header& header : headers) {
    text.append(header.name).append("=").append(header.value);
    text += " #" + std::to_string(static_cast<int>(header.id)) + (header.hop_by_hop ? " hop\n" : "\n");
  }
  return text;
}

inline std::string tell(const http::RequestHead& head) {
  std::string text(head.method_text);
  for (std::string_view part : {head.scheme, head.authority, head.target})
    text.append(" [").append(part).append("]");
  text += " version " + std::to_string(static_cast<int>(head.version)) + "\n" + tell_body(head.body);
  if (head.keep_alive) text += "keep_alive\n";
  if (head.expect_continue) text += "expect_continue\n";
  if (head.expectation_unknown) text += "expectation_unknown\n";
  if (head.upgrade) text += "upgrade\n";
  return text + tell_headers(head.headers);
}

inline std::string tell(const http::ResponseHead& head) {
  std::string text = std::to_string(head.status) + " [";
  text.append(head.reason_phrase).append("] version ");
  text += std::to_string(static_cast<int>(head.version)) + "\n" + tell_body(head.body);
  if (head.keep_alive) text += "keep_alive\n";
  return text + tell_headers(head.headers);
}

class TestReader {
 public:
  explicit TestReader(base::Side side, http::Method method = http::Method::get)
      : side_(side), method_(method), decoder_(side) {}

  void feed(std::string_view bytes) {
    buffer_.append(bytes);
    if (outcome_.state != Outcome::State::incomplete) return;
    if (!outcome_.head_accepted && !read_head()) return;
    read_body();
  }
  // The peer closed: a body until close is whole.
  void close() {
    if (outcome_.state == Outcome::State::incomplete && outcome_.head_accepted &&
        body_.kind == http::BodyLength::Kind::until_close) {
      complete();
    }
  }
  const Outcome& outcome() const { return outcome_; }
  const http::RequestHead& request() const { return request_; }  // views into what was fed

 private:
  bool read_head() {
    const auto end = find_head_end(buffer_, searched_);
    searched_ = buffer_.size();
    if (!end && buffer_.size() <= limits_.head_bytes_max) return false;
    head_ = buffer_.substr(0, end.value_or(buffer_.size()));
    at_ = head_.size();
    const base::Result<> parsed = side_ == base::Side::client
                                      ? parse_request_head(head_, limits_, request_)
                                      : parse_response_head(head_, limits_, method_, response_);
    if (!parsed) {
      refuse(parsed.error());
      return false;
    }
    outcome_.head_accepted = true;
    outcome_.head_text = side_ == base::Side::client ? tell(request_) : tell(response_);
    body_ = side_ == base::Side::client ? request_.body : response_.body;
    return true;
  }

  void read_body() {
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    switch (body_.kind) {
      case http::BodyLength::Kind::none:
        return complete();
      case http::BodyLength::Kind::sized: {
        const auto left = static_cast<size_t>(body_.bytes - outcome_.body.size());
        take(rest.substr(0, left));
        if (outcome_.body.size() == body_.bytes) complete();
        return;
      }
      case http::BodyLength::Kind::until_close:
        return take(rest);
      case http::BodyLength::Kind::chunked:
        return read_chunks();
    }
  }

  void read_chunks() {
    while (true) {
      const auto step = decoder_.decode(std::string_view(buffer_).substr(at_));
      if (!step) return refuse(step.error());
      outcome_.body.append(step->data);
      at_ += step->consumed;
      if (step->done) {
        outcome_.trailers = decoder_.trailers();
        return complete();
      }
      if (step->consumed == 0) return;
    }
  }

  void take(std::string_view data) {
    outcome_.body.append(data);
    at_ += data.size();
  }
  void refuse(const base::Error& error) {
    outcome_.state = Outcome::State::refused;
    outcome_.error = error;
  }
  void complete() {
    outcome_.state = Outcome::State::complete;
    outcome_.consumed = at_;
  }

  base::Side side_;
  http::Method method_;
  http::HeadLimits limits_;
  std::string buffer_;
  std::string head_;
  size_t searched_ = 0;
  size_t at_ = 0;
  http::RequestHead request_;
  http::ResponseHead response_;
  http::BodyLength body_;
  ChunkedDecoder decoder_;
  Outcome outcome_;
};

}  // namespace http1
