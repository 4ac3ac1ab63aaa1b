"""A Developer Center that many devices share: what it offers to whom, and what became of it.

======================  ==========================================================================
``model``               products, packages, plans, devices, within the platform's limits
``load``                the center file, ``center.toml``, to a model; every fault of it by its place
``followed``            that file while others edit it: as it is now
``editing``             one product, package, plan or device changed in it, the rest left as it is
``json_form``           the same four as JSON, and their revisions
``packages``            uploaded files, in a folder beside the center file
``lifecycle``           states of a plan: what may be done in which
``rules``               who is offered what, and why not: pure
``store``               the state file, SQLite, which others may read while devices upgrade
``device_session``      one device's side of the center: the ``Cloud`` that a module speaks to
``queries``             counts and pages of thousands of devices, asked of the state file by SQL
``monitoring``          what became of plans, devices and components: values
``preview``             who would be offered a plan before it is active, and why not the others
``control``             what the owner of plans may do while devices upgrade
======================  ==========================================================================

The format of the file, the states, and what the real platform does that this one does not:
``docs/how-to/center.md``.
"""
