#include "http2/frames.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <map>
#include <string>

#include "http2/test_pair.h"

namespace http2 {
namespace {

// Of the fields in one HEADERS frame: whether HPACK was told never to keep them.
class FieldReader {
 public:
  FieldReader() { nghttp2_hd_inflate_new(&inflater_); }
  ~FieldReader() { nghttp2_hd_inflate_del(inflater_); }

  std::map<std::string, bool> read(std::string_view block) {
    std::map<std::string, bool> never_kept;
    int state = 0;
    while ((state & NGHTTP2_HD_INFLATE_FINAL) == 0) {
      nghttp2_nv field;
      const ssize_t used = nghttp2_hd_inflate_hd2(
          inflater_, &field, &state, reinterpret_cast<const uint8_t*>(block.data()), block.size(), 1);
      if (used < 0) break;
      block.remove_prefix(static_cast<size_t>(used));
      if ((state & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
      never_kept[std::string(reinterpret_cast<char*>(field.name), field.namelen)] =
          (field.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return never_kept;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

struct Submitter {
  Submitter() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_client_new(&session, callbacks, nullptr);
    nghttp2_session_callbacks_del(callbacks);
    take();  // the preface
  }
  ~Submitter() { nghttp2_session_del(session); }

  std::string take() {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session, &bytes);
    return count <= 0 ? "" : std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  }
  std::string ask(const http::Headers& headers) {
    submit_request(session, {.method = "GET", .path = "/", .authority = "a", .headers = &headers}, "https",
                   nullptr);
    return take();
  }

  nghttp2_session* session = nullptr;
};

TEST(Frames, HpackKeepsNeitherSecretsNorWhatIsAnotherEachTime) {
  struct {
    std::string_view name;
    bool never_kept;
  } cases[] = {
      {"Authorization", true}, {"Gatehouse-Identity", true}, {"X-Request-Id", true}, {"traceparent", true},
      {"User-Agent", false},   {"X-Forwarded-For", false},   {"Forwarded", false},
  };
  Submitter submitter;
  FieldReader reader;
  size_t kept_by_first = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string number = "value " + std::to_string(i);
    http::Headers headers;
    for (const auto& c : cases) {
      headers.add({.name = c.name, .value = c.never_kept ? std::string_view(number) : "the same"});
    }
    const std::string frame = submitter.ask(headers);
    ASSERT_GT(frame.size(), kFrameHeadBytes);
    const auto fields = reader.read(std::string_view(frame).substr(kFrameHeadBytes));
    for (const auto& c : cases) {
      EXPECT_EQ(fields.at(base::lowercase(c.name)), c.never_kept) << c.name << ", request " << i;
    }
    const size_t kept = nghttp2_session_get_hd_deflate_dynamic_table_size(submitter.session);
    if (i == 0) kept_by_first = kept;
    EXPECT_EQ(kept, kept_by_first);
  }
}

}  // namespace
}  // namespace http2
