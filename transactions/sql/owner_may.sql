-- Whether the person has a permission, by himself or through a group: what Django's ModelBackend asks by two querysets,
-- which take longer than a create. For the WHERE or SELECT of a query with auth_user.
EXISTS (
    SELECT
    FROM auth_permission AS wanted
    JOIN django_content_type AS kind ON kind.id = wanted.content_type_id
    WHERE kind.app_label = %s AND wanted.codename = %s AND (
        EXISTS (
            SELECT FROM auth_user_user_permissions AS own
            WHERE own.user_id = auth_user.id AND own.permission_id = wanted.id
        )
        OR EXISTS (
            SELECT FROM auth_user_groups AS member JOIN auth_group_permissions AS given USING (group_id)
            WHERE member.user_id = auth_user.id AND given.permission_id = wanted.id
        )
    )
)
