#include "tls/wire.h"

#include <openssl/bio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "io/frame_pool.h"

namespace tls {
namespace {

// A record of 16 KiB with its overhead behind as much as is ever held.
constexpr size_t kHeldMax = 4 * 1024;
constexpr size_t kTailBytes = kHeldMax + 16 * 1024 + 512;

}  // namespace

struct WireBio {
  static int answer(BIO* bio, Wire::Outcome outcome, int retry) {
    BIO_clear_retry_flags(bio);
    if (outcome == Wire::Outcome::done) return 1;
    if (outcome == Wire::Outcome::blocked) BIO_set_flags(bio, BIO_FLAGS_SHOULD_RETRY | retry);
    return 0;
  }
  static int read(BIO* bio, char* into, size_t size, size_t* count) {
    return answer(bio, Wire::of(bio).read(into, size, *count), BIO_FLAGS_READ);
  }
  static int write(BIO* bio, const char* data, size_t size, size_t* count) {
    return answer(bio, Wire::of(bio).write(data, size, *count), BIO_FLAGS_WRITE);
  }
  static long control(BIO* bio, int command, long, void*) {
    switch (command) {
      case BIO_CTRL_FLUSH:
        return 1;
      case BIO_CTRL_EOF:
        return Wire::of(bio).ended() ? 1 : 0;
      default:
        return 0;
    }
  }
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gatehouse");
      BIO_meth_set_read_ex(fresh, read);
      BIO_meth_set_write_ex(fresh, write);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

Wire::~Wire() {
  if (tail_ != nullptr) io::give_frame(tail_, kTailBytes);
}

bio_st* Wire::make_bio() {
  BIO* bio = BIO_new(WireBio::method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

Wire& Wire::of(bio_st* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }

Wire::Outcome Wire::read(char* into, size_t size, size_t& count) {
  count = 0;
  if (size == 0 || error_ != 0 || ended_) return Outcome::failed;
  if (allowance_ == 0) {
    exhausted_ = true;
    return Outcome::failed;
  }
  io::IoResult got = below_->read({into, size});
  switch (got.kind) {
    case io::IoResult::Kind::bytes:
      count = got.count;
      allowance_ -= std::min<uint64_t>(allowance_, count);
      return Outcome::done;
    case io::IoResult::Kind::would_block:
      return Outcome::blocked;
    case io::IoResult::Kind::end:
      ended_ = true;
      return Outcome::failed;
    case io::IoResult::Kind::failed:
      error_ = got.error;
      break;
  }
  return Outcome::failed;
}

// False when the stream below has failed. sent counts bytes of data only; what was kept goes first.
bool Wire::send(const char* data, size_t size, size_t& sent) {
  sent = 0;
  std::array<iovec, 2> pieces;
  size_t count = 0;
  size_t kept = end_ - begin_;
  if (kept > 0) pieces[count++] = {tail_ + begin_, kept};
  if (size > 0) pieces[count++] = {const_cast<char*>(data), size};
  if (count == 0) return true;
  io::IoResult written = below_->write(std::span(pieces).first(count));
  if (written.kind == io::IoResult::Kind::would_block) return true;
  if (written.kind != io::IoResult::Kind::bytes) {
    error_ = written.error != 0 ? written.error : EPIPE;
    return false;
  }
  size_t of_kept = std::min(written.count, kept);
  begin_ += static_cast<uint32_t>(of_kept);
  sent = written.count - of_kept;
  if (tail_ != nullptr && begin_ == end_) {
    io::give_frame(std::exchange(tail_, nullptr), kTailBytes);
    begin_ = end_ = 0;
  }
  return true;
}

size_t Wire::keep(const char* data, size_t size) {
  size_t kept = std::min(size, kTailBytes - (end_ - begin_));
  if (kept == 0) return 0;
  if (tail_ == nullptr) tail_ = static_cast<char*>(io::take_frame(kTailBytes));
  if (kTailBytes - end_ < kept) {
    std::copy(tail_ + begin_, tail_ + end_, tail_);
    end_ -= std::exchange(begin_, 0);
  }
  std::copy_n(data, kept, tail_ + end_);
  end_ += static_cast<uint32_t>(kept);
  return kept;
}

Wire::Outcome Wire::write(const char* data, size_t size, size_t& count) {
  count = 0;
  if (error_ != 0) return Outcome::failed;
  bool held = holding_ && end_ - begin_ + size <= kHeldMax;
  if (!held && !send(data, size, count)) return Outcome::failed;
  count += keep(data + count, size - count);
  return count > 0 ? Outcome::done : Outcome::blocked;
}

bool Wire::flush() {
  size_t none = 0;
  return error_ == 0 && send(nullptr, 0, none) && !unsent();
}

}  // namespace tls
