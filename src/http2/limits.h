// What an HTTP/2 peer may make us hold or do, in one place. Each of these is what a known flood runs into;
// the tests in flood_test.cc name them one by one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace http2 {

// SETTINGS_MAX_CONCURRENT_STREAMS of a client.
inline constexpr uint32_t kConcurrentStreamsMax = 128;
// Exchanges of one connection, those among them whose stream is gone but who have not noticed yet: what is
// asked for beyond it is refused (REFUSED_STREAM).
inline constexpr uint32_t kLiveExchangesMax = 2 * kConcurrentStreamsMax;
// Streams we have open at one backend over one connection, if it allows that many.
inline constexpr uint32_t kBackendStreamsMax = 128;

// Bytes a peer may send on one stream before we have passed them on: what a slow other side makes us hold.
inline constexpr uint32_t kStreamWindow = 128 * 1024;
// The connection's window is given back at arrival, so that a stalled stream stalls nobody else, until this
// much is held for all streams together; from then on only as it is passed on.
inline constexpr uint64_t kHeldBytesMax = 1024 * 1024;
inline constexpr uint32_t kConnectionWindow = 1024 * 1024;

// Bytes of a body that we take from the other side before they are framed, a stream.
inline constexpr size_t kPendingBytesMax = 64 * 1024;
// Frames made and not yet taken by the kernel, a connection; further ones wait in their streams.
inline constexpr size_t kOutputBytesMax = 128 * 1024;
// Frames that wait behind those: a peer that provokes answers and does not read them is cut off.
inline constexpr size_t kQueuedFramesMax = 1000;
// Answers to PING and SETTINGS among them.
inline constexpr size_t kQueuedAcksMax = 100;

inline constexpr size_t kContinuationsMax = 8;  // of one header block
inline constexpr size_t kSettingsEntriesMax = 32;
inline constexpr uint32_t kHeaderTableBytes = 4096;  // HPACK's dynamic table, each way
// Fields that one header block may decode to before the connection ends: a few bytes can name large ones.
inline constexpr uint64_t kHeadFloodBytes = 1024 * 1024;
// 1xx heads of one answer that may wait to be looked at.
inline constexpr uint32_t kInterimHeadsMax = 4;

// Streams that the client resets, or that it makes us reset (CVE-2023-44487, CVE-2025-8671), draw on a budget
// that refills with time and with every stream that ends well.
inline constexpr uint32_t kResetBurst = 400;
inline constexpr uint32_t kResetsPerSecond = 40;
// So do frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA. Every frame with
// content, either way, allows for some.
inline constexpr uint32_t kIdleFrameBurst = 2000;
inline constexpr uint32_t kIdleFramesPerSecond = 200;
inline constexpr uint32_t kIdleFramesPerUsefulOne = 4;

// Between the first GOAWAY, which names no last stream, and the final one: requests on their way arrive.
inline constexpr base::Duration kDrainPatience = base::seconds(1);
// For a peer that is being cut off to take the GOAWAY that says why.
inline constexpr base::Duration kLastWordsPatience = base::seconds(1);
// Behind the last frame, so that it is not destroyed by a reset on its way to a client that is still sending.
inline constexpr uint64_t kLingerBytesMax = 16 * 1024 * 1024;

}  // namespace http2
