// A body in memory, given and taken in pieces as a network would, for what wraps http::BodySource and
// http::BodySink. Tests and fuzzers only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "http/stream.h"

namespace http {

class TestSource final : public BodySource {
 public:
  // At most `piece` bytes at a time; before each piece one peek() finds nothing.
  TestSource(std::string_view body, size_t piece) : rest_(body), piece_(piece) {}

  base::Result<BodyBytes> peek() override {
    if (shown_ == 0 && !waited_ && !rest_.empty()) {
      waited_ = true;
      return BodyBytes{};
    }
    if (shown_ == 0) shown_ = std::min(piece_, rest_.size());
    waited_ = false;
    return BodyBytes{.bytes = rest_.substr(0, shown_), .end = shown_ == rest_.size()};
  }
  void consume(size_t count) override {
    rest_.remove_prefix(count);
    shown_ -= count;
  }
  io::Signal& readable() override { return readable_; }
  std::string_view trailers() const override { return {}; }

 private:
  std::string_view rest_;
  size_t piece_;
  size_t shown_ = 0;
  bool waited_ = false;
  io::Signal readable_;
};

class TestSink final : public BodySink {
 public:
  // Takes at most `piece` bytes at a time, and after each piece nothing once.
  explicit TestSink(size_t piece) : piece_(piece) {}

  base::Result<size_t> write(std::string_view bytes) override {
    if (std::exchange(full_, false)) return size_t{0};
    full_ = true;
    const size_t taken = std::min(piece_, bytes.size());
    text_.append(bytes.substr(0, taken));
    return taken;
  }
  base::Result<> finish(std::string_view trailers) override {
    ++finished_;
    trailers_ = trailers;
    return {};
  }
  base::Result<bool> flush() override { return true; }
  io::Signal& writable() override { return writable_; }

  const std::string& text() const { return text_; }
  const std::string& trailers() const { return trailers_; }
  int finished() const { return finished_; }

 private:
  size_t piece_;
  bool full_ = false;
  int finished_ = 0;
  std::string text_;
  std::string trailers_;
  io::Signal writable_;
};

}  // namespace http
