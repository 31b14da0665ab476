#include "http2/session_callbacks.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "http2/frames.h"
#include "http2/session.h"

namespace http2 {

namespace {

// Of DATA: smaller pieces are copied behind what else leaves, larger ones leave from where they are.
constexpr size_t kGatherBytesMax = 4 * 1024;

Session& session_of(void* user_data) { return *static_cast<Session*>(user_data); }

Channel* channel_of(nghttp2_session* session, int32_t id) {
  return static_cast<Channel*>(nghttp2_session_get_stream_user_data(session, id));
}

std::string_view text_of(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool is_our_choice(uint32_t error_code) {
  return error_code == NGHTTP2_NO_ERROR || error_code == NGHTTP2_INTERNAL_ERROR ||
         error_code == NGHTTP2_CANCEL;
}

}  // namespace

struct SessionCallbacks {
  // At their beginning, since nghttp2 passes over some without another word.
  static int begin_frame(nghttp2_session* nghttp2, const nghttp2_frame_hd* head, void* user_data) {
    Session& session = session_of(user_data);
    switch (head->type) {
      case NGHTTP2_HEADERS:
        if (session.peer_ == base::Side::client && !session.stream_numbers_.may_begin(head->stream_id)) {
          session.terminate(NGHTTP2_PROTOCOL_ERROR);
        }
        [[fallthrough]];
      case NGHTTP2_DATA:
        if (session.stream_numbers_.has_ended(head->stream_id)) {
          session.count_idle_frame();
          nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, head->stream_id, NGHTTP2_STREAM_CLOSED);
        }
        break;
      case NGHTTP2_CONTINUATION:
      case NGHTTP2_RST_STREAM:
        break;
      case NGHTTP2_PRIORITY:
        // RFC 9113 §6.3
        if (head->stream_id == 0) session.terminate(NGHTTP2_PROTOCOL_ERROR);
        [[fallthrough]];
      default:
        session.count_idle_frame();
    }
    return 0;
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Session& session = session_of(user_data);
    session.head_text_.start(session.head_limits());
    session.head_began_ = session.loop_.now();
    return 0;
  }

  static int take_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                         const uint8_t* value, size_t value_size, uint8_t, void* user_data) {
    Session& session = session_of(user_data);
    session.head_text_.add(text_of(name, name_size), text_of(value, value_size));
    if (session.head_text_.bytes() > kHeadFloodBytes) session.terminate(NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }

  // By itself nghttp2 would leave such a field out and let the rest pass.
  static int refuse_header(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t, const uint8_t*,
                           size_t, uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int take_frame(nghttp2_session* nghttp2, const nghttp2_frame* frame, void* user_data) {
    Session& session = session_of(user_data);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        take_head(session, *frame);
        break;
      case NGHTTP2_DATA:
        take_data_frame(session, *frame);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
        session.peer_settled_ = true;
        session.settings_arrived();
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) session.pong_received_ = true;
        break;
      case NGHTTP2_RST_STREAM:
        session.count_reset();
        break;
      case NGHTTP2_GOAWAY:
        session.goaway_received_ = true;
        session.goaway_arrived();
        break;
      default:
        break;
    }
    return 0;
  }

  static void take_head(Session& session, const nghttp2_frame& frame) {
    const EndStream end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? EndStream::yes : EndStream::no;
    session.count_useful_frame();
    session.head_text_.finish();
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
      session.head_arrived(frame.hd.stream_id, nullptr, end);
    } else if (Channel* channel = channel_of(session.nghttp2_, frame.hd.stream_id)) {
      if (session.peer_ == base::Side::client) {
        session.trailers_arrived(*channel);
      } else {
        session.head_arrived(frame.hd.stream_id, channel, end);
      }
      if (end == EndStream::yes && !channel->failed()) channel->peer_ended();
    }
    session.head_began_ = {};
    session.head_text_.release();
  }

  static void take_data_frame(Session& session, const nghttp2_frame& frame) {
    const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (end || frame.hd.length > frame.data.padlen) {
      session.count_useful_frame();
    } else {
      session.count_idle_frame();
    }
    if (!end) return;
    if (Channel* channel = channel_of(session.nghttp2_, frame.hd.stream_id)) channel->peer_ended();
  }

  static int take_data(nghttp2_session* nghttp2, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                       void* user_data) {
    Session& session = session_of(user_data);
    session.held_ += size;
    session.withheld_ += size;
    if (Channel* channel = channel_of(nghttp2, id)) {
      channel->arrived(text_of(bytes, size));
    } else {
      session.held_ -= size;
    }
    session.release_held(0);
    return 0;
  }

  static int before_frame_sent(nghttp2_session* nghttp2, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (Channel* channel = channel_of(nghttp2, frame->hd.stream_id)) {
      channel->head_mark_ = std::min(channel->head_mark_, session_of(user_data).output_.end());
    }
    return 0;
  }

  static int frame_sent(nghttp2_session* nghttp2, const nghttp2_frame* frame, void* user_data) {
    Session& session = session_of(user_data);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      if (!is_our_choice(frame->rst_stream.error_code)) session.count_reset();
      return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    session.count_useful_frame();
    Channel* channel = channel_of(nghttp2, frame->hd.stream_id);
    if (channel == nullptr) return 0;
    channel->mark_ = session.output_.end();
    if (frame->hd.type == NGHTTP2_HEADERS) {
      channel->bytes_framed_ += frame->hd.length + kFrameHeadBytes;
      if (channel->heads_queued_ > 0) --channel->heads_queued_;
    }
    if (end) channel->end_sent_ = true;
    return 0;
  }

  // A request that found the connection closing: nothing of it left.
  static int frame_not_sent(nghttp2_session* nghttp2, const nghttp2_frame* frame, int, void*) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (Channel* channel = channel_of(nghttp2, frame->hd.stream_id)) {
      channel->fail(channel->lost(NGHTTP2_REFUSED_STREAM));
    }
    return 0;
  }

  static int stream_closed(nghttp2_session* nghttp2, int32_t id, uint32_t error_code, void* user_data) {
    Channel* channel = channel_of(nghttp2, id);
    if (channel == nullptr) return 0;
    Session& session = session_of(user_data);
    if (session.peer_ == base::Side::client && error_code == NGHTTP2_NO_ERROR &&
        nghttp2_session_get_stream_remote_close(nghttp2, id) == 1) {
      session.stream_numbers_.end(id);
    }
    channel->stream_closed(error_code);
    if (!channel->failed()) session.resets_.credit(1);
    session.stream_ended(*channel);
    return 0;
  }

  static int send_data(nghttp2_session* nghttp2, nghttp2_frame* frame, const uint8_t* head, size_t size,
                       nghttp2_data_source*, void* user_data) {
    Channel* channel = channel_of(nghttp2, frame->hd.stream_id);
    if (channel == nullptr || channel->out_.front().size() < size) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    Output& output = session_of(user_data).output_;
    // One call of nghttp2's may frame any number of these; it asks again for this one.
    if (output.full()) return NGHTTP2_ERR_WOULDBLOCK;
    channel->bytes_framed_ += size + kFrameHeadBytes;
    if (size == 0) {
      output.append(text_of(head, kFrameHeadBytes));
      return 0;
    }
    char* const frame_bytes = channel->out_.front_headroom();
    std::memcpy(frame_bytes, head, kFrameHeadBytes);
    if (size > kGatherBytesMax && size == channel->out_.front().size()) {
      output.take(channel->out_.take_front());
    } else {
      output.append({frame_bytes, kFrameHeadBytes + size});
      channel->out_.consume(size);
    }
    channel->writable_.fire();
    return 0;
  }

  static ssize_t read_body(nghttp2_session* nghttp2, int32_t id, uint8_t*, size_t size_max, uint32_t* flags,
                           nghttp2_data_source*, void*) {
    Channel* channel = channel_of(nghttp2, id);
    if (channel == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t size = std::min(size_max, channel->out_.front().size());
    if (size == 0 && !channel->finished_) {
      channel->deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (channel->finished_ && size == channel->out_.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!channel->trailers_out_.empty() && submit_trailers(nghttp2, id, channel->trailers_out_.filled())) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      }
    }
    return static_cast<ssize_t>(size);
  }
};

const nghttp2_session_callbacks* session_callbacks() {
  static const nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) std::abort();
    using Callbacks = SessionCallbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Callbacks::begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Callbacks::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, Callbacks::take_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, Callbacks::refuse_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Callbacks::take_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Callbacks::take_data);
    nghttp2_session_callbacks_set_before_frame_send_callback(made, Callbacks::before_frame_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Callbacks::frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, Callbacks::frame_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Callbacks::stream_closed);
    nghttp2_session_callbacks_set_send_data_callback(made, Callbacks::send_data);
    return made;
  }();
  return callbacks;
}

ssize_t read_body(nghttp2_session* nghttp2, int32_t id, uint8_t* into, size_t size_max, uint32_t* flags,
                  nghttp2_data_source* source, void* user_data) {
  return SessionCallbacks::read_body(nghttp2, id, into, size_max, flags, source, user_data);
}

}  // namespace http2
