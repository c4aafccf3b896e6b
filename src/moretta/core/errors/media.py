"""Errors of media: what was sent is no picture or video that can be read.

Belongs here: what is wrong with the bytes that were sent. Does not belong here: what a photo shows (see `recognition`).
"""

from moretta.core.errors.root import MorettaError


class MediaError(MorettaError):
    """The media item is at fault."""

    code = "media.unreadable"
    title = "The media could not be read"
    status = 400
    exit_code = 65


class MediaEmpty(MediaError):
    """No bytes."""

    code = "media.empty"
    title = "The media is empty"


class MediaUnsupported(MediaError):
    """Not a picture or a video in a format that we read."""

    code = "media.unsupported"
    title = "The media format is not supported"
    status = 415


class MediaUnreadable(MediaError):
    """A known format, but its content is broken."""

    code = "image.unreadable"
    title = "The media could not be decoded"


class MediaTruncated(MediaError):
    """The media ends before its first picture is complete."""

    code = "media.truncated"
    title = "The media is cut off"


class MediaWithoutVideo(MediaError):
    """The media holds sound only."""

    code = "media.no_video"
    title = "The media holds no pictures"
    status = 422


class MediaWithoutFrames(MediaError):
    """The video track has no length."""

    code = "media.no_frames"
    title = "The video has no frames"
    status = 422


class MediaTooLarge(MediaError):
    """Over the configured limit of bytes, frames or seconds."""

    code = "media.too_large"
    title = "The media is over a limit"
    status = 413


class DimensionsTooLarge(MediaTooLarge):
    """Over the configured limit of pixels."""

    code = "media.dimensions_too_large"
    title = "The picture is over the pixel limit"


class LeakFound(MorettaError):
    """The check found a face uncovered in the redacted media, and the caller asked for none (`strict`); there is no output."""

    code = "redaction.leak"
    title = "A face is still to be seen"
    status = 422
    exit_code = 1
