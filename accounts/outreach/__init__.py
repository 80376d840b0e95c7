"""The post room: letters are rendered, kept in an outbox, sent at decent hours, and settled.

Other rooms use ``outbox`` (``NoticeRequest``, ``enqueue``, ``enqueue_many``), and the top room
``dispatch.dispatch_notices``.
"""
